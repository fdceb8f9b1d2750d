import { PhoneIncoming, PhoneOff } from "lucide-react";
import { useEffect } from "react";
import { useTakeBackTransfer } from "@/api/transfers";
import { side, useSide } from "@/audio/side";
import { Button } from "@/components/ui/button";
import { transferTrouble } from "@/lib/transfer-words";
import { useOffer, type Offer } from "@/realtime/offers";
import type { Me } from "@/wire/Me";

/** A call that a colleague wants to give away: answered, talked about, and had, from any page. */
export function TransferOffer({ me }: { me: Me }) {
  const offer = useOffer(me.id);
  // whoever logs out talks no more, about whichever transfer
  useEffect(() => () => side.leave(), []);
  return offer === undefined ? null : <Asked key={offer.transfer.id} offer={offer} />;
}

function Asked({ offer: { callId, transfer } }: { offer: Offer }) {
  const talk = useSide(callId);
  const back = useTakeBackTransfer(callId);
  const there = talk?.phase === "there";
  const { name } = transfer.by;
  const text =
    transfer.stage === "completed"
      ? "You have the call: the customer hears you."
      : there
        ? `You talk with ${name}. The customer hears neither of you.`
        : `${name} wants to give you a call.`;
  const error = talk?.error ?? (back.isError ? transferTrouble(back.error) : undefined);
  return (
    <section
      role="alertdialog"
      aria-label="A call for you"
      data-testid="transfer-offer"
      className="fixed right-4 bottom-4 z-40 grid w-80 gap-2 rounded-xl border border-line bg-raised p-4 shadow-pop"
    >
      <p role="status" className="text-sm font-medium">
        {text}
      </p>
      {error !== undefined && (
        <p role="alert" className="text-xs text-bad-ink">
          {error}
        </p>
      )}
      <div className="flex justify-end gap-2">
        <Button
          variant="danger"
          aria-busy={back.isPending || undefined}
          onClick={() => back.mutate(undefined, { onSettled: () => side.leave() })}
        >
          <PhoneOff aria-hidden />
          {transfer.stage === "completed" ? "Give it back" : there ? "Hang up" : "Decline"}
        </Button>
        {!there && (
          <Button
            variant="primary"
            aria-busy={talk?.phase === "joining" || undefined}
            onClick={() => void side.join(callId)}
          >
            <PhoneIncoming aria-hidden />
            {transfer.stage === "ringing" ? "Answer" : "Talk here"}
          </Button>
        )}
      </div>
    </section>
  );
}
