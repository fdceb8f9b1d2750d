import { Ellipsis } from "lucide-react";
import { useState } from "react";
import { errorText } from "@/api/client";
import { mayRule } from "@/api/recordings";
import { useChangeUser, type UserChange } from "@/api/team";
import { PersonName } from "@/components/person-name";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import {
  DropdownMenu,
  DropdownMenuContent,
  DropdownMenuItem,
  DropdownMenuSeparator,
  DropdownMenuTrigger,
} from "@/components/ui/dropdown-menu";
import { Select } from "@/components/ui/select";
import { TableCell, TableRow } from "@/components/ui/table";
import { moment, momentWithZone, words } from "@/lib/format";
import { ROLES } from "@/lib/roles";
import { serverNow } from "@/lib/ticker";
import type { Me } from "@/wire/Me";
import type { User } from "@/wire/User";

interface Props {
  user: User;
  me: Me;
  onReset: () => void;
  onRemove: () => void;
}

/** A change that has to be confirmed, with what it does. */
interface Asked {
  change: UserChange;
  title: string;
  text: string;
  act: string;
}

/** What a change of one's own role means is said before it is done: nobody can take it back alone. */
function asking(user: User, me: Me, change: UserChange): Asked | undefined {
  if (change.disabled === true) {
    return {
      change,
      title: `Disable ${user.username}?`,
      text: "They are logged out at once, on every device, and what they listen to stops. You can enable them again.",
      act: "Disable",
    };
  }
  if (change.role !== undefined && user.id === me.id) {
    return {
      change,
      title: "Change your own role?",
      text: `You are logged out at once, and are ${change.role === "agent" ? "an agent" : `a ${change.role}`} from then on. Another admin has to give the role back.`,
      act: "Change my role",
    };
  }
  return undefined;
}

export function UserLine({ user, me, onReset, onRemove }: Props) {
  const change = useChangeUser(user.id);
  const [asked, setAsked] = useState<Asked>();
  const role = change.isPending ? (change.variables.role ?? user.role) : user.role;
  const apply = (wanted: UserChange) => {
    change.reset();
    const question = asking(user, me, wanted);
    if (question === undefined) change.mutate(wanted);
    else setAsked(question);
  };
  return (
    <TableRow data-testid="user-row" data-user={user.username}>
      <TableCell>
        <PersonName person={user} isMe={user.id === me.id} />
        {change.isError && asked === undefined && (
          <p role="alert" className="text-xs text-bad-ink">
            {errorText(change.error)}
          </p>
        )}
      </TableCell>
      <TableCell>
        {mayRule(me) ? (
          <Select
            aria-label={`Role of ${user.username}`}
            className="w-32"
            value={role}
            disabled={change.isPending}
            options={ROLES.map((each) => [each, words(each)] as const)}
            onChange={(next) => {
              if (next !== user.role) apply({ role: next });
            }}
          />
        ) : (
          words(user.role)
        )}
      </TableCell>
      <TableCell>
        <Badge tone={user.disabled ? "bad" : "plain"}>
          {user.disabled ? "Disabled" : "Active"}
        </Badge>
      </TableCell>
      <TableCell className="text-ink-soft">
        <time dateTime={user.createdAt} title={momentWithZone(user.createdAt)}>
          {moment(user.createdAt, serverNow())}
        </time>
      </TableCell>
      <TableCell className="text-right">
        {mayRule(me) && (
          <UserMenu user={user} onChange={apply} onReset={onReset} onRemove={onRemove} />
        )}
      </TableCell>
      <Confirm
        open={asked !== undefined}
        onOpenChange={() => setAsked(undefined)}
        title={asked?.title ?? ""}
        description={asked?.text ?? ""}
        act={asked?.act ?? ""}
        pending={change.isPending}
        error={change.isError ? errorText(change.error) : undefined}
        onConfirm={() => {
          if (asked !== undefined) {
            change.mutate(asked.change, { onSuccess: () => setAsked(undefined) });
          }
        }}
      />
    </TableRow>
  );
}

interface MenuProps {
  user: User;
  onChange: (change: UserChange) => void;
  onReset: () => void;
  onRemove: () => void;
}

function UserMenu({ user, onChange, onReset, onRemove }: MenuProps) {
  return (
    <DropdownMenu>
      <DropdownMenuTrigger asChild>
        <Button variant="quiet" size="icon" aria-label={`More for ${user.username}`}>
          <Ellipsis aria-hidden />
        </Button>
      </DropdownMenuTrigger>
      <DropdownMenuContent align="end">
        <DropdownMenuItem onSelect={onReset}>Set a new password…</DropdownMenuItem>
        {user.disabled ? (
          <DropdownMenuItem onSelect={() => onChange({ disabled: false })}>Enable</DropdownMenuItem>
        ) : (
          <DropdownMenuItem onSelect={() => onChange({ disabled: true })}>
            Disable…
          </DropdownMenuItem>
        )}
        <DropdownMenuSeparator />
        <DropdownMenuItem className="text-bad-ink" onSelect={onRemove}>
          Remove…
        </DropdownMenuItem>
      </DropdownMenuContent>
    </DropdownMenu>
  );
}
