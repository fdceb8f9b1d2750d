import { ChevronDown } from "lucide-react";
import { useState } from "react";
import { ApiError, errorText } from "@/api/client";
import { useConsent } from "@/api/recordings";
import { maySupervise } from "@/api/session";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import {
  DropdownMenu,
  DropdownMenuContent,
  DropdownMenuRadioGroup,
  DropdownMenuRadioItem,
  DropdownMenuTrigger,
} from "@/components/ui/dropdown-menu";
import { customerLabel } from "@/lib/call-words";
import { words } from "@/lib/format";
import type { Call } from "@/wire/Call";
import type { Consent } from "@/wire/Consent";
import type { Me } from "@/wire/Me";

const CONSENTS = ["unknown", "granted", "denied"] as const satisfies readonly Consent[];

function trouble(error: unknown): string {
  if (error instanceof ApiError && error.code === "recording_stop_unconfirmed") {
    return "It is noted, but the gateway that carries the call has not confirmed that it stopped. What it still records is refused and erased; it is told again by itself.";
  }
  return errorText(error);
}

/** Whether the customer agreed to be recorded. Refusal is confirmed first, since it erases. */
export function ConsentControl({ call, me }: { call: Call; me: Me }) {
  const change = useConsent(call);
  const [asked, setAsked] = useState(false);
  const shown = change.isPending ? change.variables : call.consent;
  const choose = (value: string) => {
    const consent = CONSENTS.find((each) => each === value);
    if (consent === undefined || consent === call.consent) return;
    change.reset();
    if (consent === "denied") setAsked(true);
    else change.mutate(consent);
  };
  if (!maySupervise(me)) return words(call.consent);
  return (
    <>
      <DropdownMenu>
        <DropdownMenuTrigger asChild>
          <Button aria-label={`Consent: ${words(shown)}`} className="-my-1 -ml-2.5" variant="quiet">
            {words(shown)}
            <ChevronDown aria-hidden className="opacity-60" />
          </Button>
        </DropdownMenuTrigger>
        <DropdownMenuContent align="start">
          <DropdownMenuRadioGroup value={shown} onValueChange={choose}>
            {CONSENTS.map((each) => (
              <DropdownMenuRadioItem key={each} value={each}>
                {each === "denied" ? "Denied…" : words(each)}
              </DropdownMenuRadioItem>
            ))}
          </DropdownMenuRadioGroup>
        </DropdownMenuContent>
      </DropdownMenu>
      {change.isError && !asked && (
        <span role="alert" className="block text-bad-ink">
          {trouble(change.error)}
        </span>
      )}
      <Confirm
        open={asked}
        onOpenChange={setAsked}
        title="The customer does not agree to be recorded?"
        description={`The recording of this call with ${customerLabel(call)} stops for good, and everything of it that was recorded is erased, with its transcript, unless a legal hold keeps it. Nobody can undo that.`}
        act="Stop and erase"
        pending={change.isPending}
        error={change.isError ? trouble(change.error) : undefined}
        onConfirm={() => change.mutate("denied", { onSuccess: () => setAsked(false) })}
      />
    </>
  );
}
