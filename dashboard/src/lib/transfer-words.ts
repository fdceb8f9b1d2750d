import { ApiError, errorText } from "@/api/client";
import type { Me } from "@/wire/Me";
import type { Transfer } from "@/wire/Transfer";

/** Whether a transfer goes on. */
export const isOpen = ({ stage }: Transfer): boolean =>
  stage === "referring" || stage === "ringing" || stage === "talking";

/** Whether this person transfers the call. */
export const isMine = (transfer: Transfer, me: Me): boolean => transfer.by.userId === me.id;

/** Whom it is transferred to. */
export const targetLabel = ({ name, number }: Transfer): string =>
  name ?? number ?? "Somebody else";

/** Where a transfer stands, for whoever watches the call. */
export function transferText(transfer: Transfer, me: Me): string {
  const to = targetLabel(transfer);
  const mine = isMine(transfer, me);
  const who = mine ? "You" : transfer.by.name;
  const reason = transfer.reason === undefined ? "" : ` ${sentence(transfer.reason)}`;
  switch (transfer.stage) {
    case "referring":
      return `Sending the customer to ${to}…`;
    case "ringing":
      return mine ? `Ringing ${to}… The customer does not hear you.` : `${who} is ringing ${to}.`;
    case "talking":
      return mine
        ? `You talk with ${to}. The customer hears neither of you.`
        : `${who} talks with ${to} about this call.`;
    case "completed":
      return `Transferred to ${to}.`;
    case "returned":
      return `${who} went back to the customer.${reason}`;
    case "refused":
      return `${to} did not take the call.${reason}`;
    case "unanswered":
      return `${to} did not answer. The customer is still here.`;
    case "failed":
      return `The transfer failed, and the customer is still here.${reason}`;
    case "abandoned":
      return "The call ended before it was transferred.";
  }
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

const ADVICE: Partial<Record<string, string>> = {
  trunk_missing:
    "No trunk rings telephones here. Ask whoever runs Sidetone to set LIVEKIT_SIP_TRUNK_ID, or transfer to a colleague.",
  forwarding_number_missing:
    "This colleague has no forwarding number. Talk to them first, or give a number.",
  transfer_running: "Somebody transfers this call already. Wait until that is decided.",
  transfer_over: "The transfer is over: it was decided meanwhile.",
  transfer_unanswered: "They have not answered yet. Wait, or go back to the customer.",
  transfer_unconfirmed:
    "It rings, but the gateway has not confirmed that the customer does not hear you. It is told again by itself.",
  call_ended: "The call has ended.",
  call_not_live: "The call is out of reach: it has ended, or is moving to another gateway.",
  gateway_timeout: "The gateway did not answer in time. Try again.",
};

/** What went wrong with a transfer, and what to do. */
export function transferTrouble(error: unknown): string {
  const code = error instanceof ApiError ? error.code : "";
  return ADVICE[code] ?? sentence(errorText(error));
}
