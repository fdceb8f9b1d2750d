import { Building2, ChevronsUpDown } from "lucide-react";
import { errorText } from "@/api/client";
import { useSwitchClient } from "@/api/session";
import { Button } from "@/components/ui/button";
import {
  DropdownMenu,
  DropdownMenuContent,
  DropdownMenuLabel,
  DropdownMenuRadioGroup,
  DropdownMenuRadioItem,
  DropdownMenuTrigger,
} from "@/components/ui/dropdown-menu";
import { words } from "@/lib/format";
import type { Me } from "@/wire/Me";

/** Acts for another tenant, for those who belong to several. */
export function TenantMenu({ me }: { me: Me }) {
  const change = useSwitchClient();
  if (me.clients.length < 2) return null;
  return (
    <span className="flex items-center gap-2">
      <DropdownMenu>
        <DropdownMenuTrigger asChild>
          <Button
            variant="quiet"
            className="max-w-44"
            disabled={change.isPending}
            aria-label={`Client: ${me.clientName}`}
          >
            <Building2 aria-hidden />
            <span className="truncate">{change.isPending ? "Changing…" : me.clientName}</span>
            <ChevronsUpDown aria-hidden className="opacity-60" />
          </Button>
        </DropdownMenuTrigger>
        <DropdownMenuContent align="start" className="max-h-96 min-w-56 overflow-y-auto">
          <DropdownMenuLabel className="text-xs text-ink-soft">Act for</DropdownMenuLabel>
          <DropdownMenuRadioGroup
            value={me.clientId}
            onValueChange={(clientId) => {
              if (clientId !== me.clientId) change.mutate(clientId);
            }}
          >
            {me.clients.map(({ clientId, name, role }) => (
              <DropdownMenuRadioItem key={clientId} value={clientId}>
                <span className="min-w-0 flex-1 truncate">{name}</span>
                <span className="text-xs text-ink-soft">{words(role)}</span>
              </DropdownMenuRadioItem>
            ))}
          </DropdownMenuRadioGroup>
        </DropdownMenuContent>
      </DropdownMenu>
      {change.isError && (
        <span role="alert" className="max-w-56 truncate text-xs text-bad-ink">
          {errorText(change.error)}
        </span>
      )}
    </span>
  );
}
