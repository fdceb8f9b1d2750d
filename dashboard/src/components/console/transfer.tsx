import { Check, Mic, PhoneForwarded, Undo2 } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useAgents } from "@/api/agents";
import { useCompleteTransfer, useTakeBackTransfer, useTransfer } from "@/api/transfers";
import { side, useSide } from "@/audio/side";
import { CallTargetFields, useCallTarget } from "@/components/call-target";
import { FormDialog } from "@/components/form-dialog";
import { StackedField } from "@/components/form";
import { Select } from "@/components/ui/select";
import { customerLabel } from "@/lib/call-words";
import { obstacle } from "@/lib/supervision-words";
import { isMine, isOpen, targetLabel, transferText, transferTrouble } from "@/lib/transfer-words";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";
import type { Transfer as Moved } from "@/wire/Transfer";
import type { TransferMode } from "@/wire/TransferMode";
import { ActButton } from "./act-button";

interface Props {
  call: Call;
  me: Me;
}

/** What becomes of a call that is sent elsewhere, and how the acts of it went. */
export interface Moving {
  /** The word with whoever is to have the call, when it is this person's. */
  mine: Moved | undefined;
  open: boolean;
  /** What is said of it; empty when there is nothing. */
  text: string;
  error: string | undefined;
  /** Whether this page could not join the word. */
  deaf: boolean;
  complete: ReturnType<typeof useCompleteTransfer>;
  back: ReturnType<typeof useTakeBackTransfer>;
}

/** The transfer of a call, as the console shows it. */
export function useMoving(call: Call, me: Me): Moving {
  const complete = useCompleteTransfer(call.id);
  const back = useTakeBackTransfer(call.id);
  const talk = useSide(call.id);
  const { transfer } = call;
  const open = transfer !== undefined && isOpen(transfer);
  const mine = open && transfer.mode === "attended" && isMine(transfer, me) ? transfer : undefined;
  const failed = complete.isError ? complete.error : back.isError ? back.error : undefined;
  const trouble = talk?.error ?? (failed === undefined ? undefined : transferTrouble(failed));
  return {
    mine,
    open,
    text: transfer === undefined ? "" : transferText(transfer, me),
    error: mine === undefined ? undefined : trouble,
    deaf: talk?.phase === "failed",
    complete,
    back,
  };
}

/** Sending a call elsewhere, beside its end: one row, the same whatever it shows. */
export function Transfer({ call, me, moving, children }: Props & RowProps) {
  const [asked, setAsked] = useState(false);
  return (
    <div className="grid grid-cols-3 gap-2" data-testid="transfer">
      {moving.mine === undefined ? (
        <ActButton
          icon={PhoneForwarded}
          label="Transfer"
          hint="Sends the customer elsewhere, or gives the call to a colleague"
          className="col-span-2"
          obstacle={moving.open ? moving.text : obstacle(call, me, "transfer")}
          busy={moving.open}
          onPress={() => setAsked(true)}
        />
      ) : (
        <Talk transfer={moving.mine} moving={moving} />
      )}
      {moving.mine !== undefined && moving.deaf ? (
        <ActButton
          icon={Mic}
          label="Talk here"
          hint={moving.error ?? ""}
          obstacle={undefined}
          onPress={() => void side.join(call.id)}
        />
      ) : (
        children
      )}
      {asked && <TransferDialog call={call} me={me} onClose={() => setAsked(false)} />}
    </div>
  );
}

interface RowProps {
  moving: Moving;
  /** The row's last act; to talk from here at last comes before it. */
  children?: ReactNode;
}

/** A word with whoever is to have the call, and what comes of it. */
function Talk({ transfer, moving }: { transfer: Moved; moving: Moving }) {
  const { complete, back } = moving;
  const to = targetLabel(transfer);
  return (
    <>
      <ActButton
        icon={Undo2}
        label="Go back"
        hint={`Hangs up ${to}; you go back to the customer`}
        obstacle={undefined}
        busy={back.isPending}
        onPress={() => back.mutate()}
      />
      <ActButton
        icon={Check}
        label="Give the call"
        hint={`${to} and the customer hear each other, and you leave`}
        variant="primary"
        obstacle={transfer.stage === "talking" ? undefined : `${to} has not answered yet.`}
        busy={complete.isPending}
        onPress={() => complete.mutate()}
      />
    </>
  );
}

/** Asks whom the call is to go to, and how. */
function TransferDialog({ call, me, onClose }: Props & { onClose: () => void }) {
  const transfer = useTransfer(call.id);
  const rooms = call.upstream === "livekit";
  const [mode, setMode] = useState<TransferMode>(rooms ? "attended" : "blind");
  const agents = useAgents().data ?? [];
  const others = agents.filter(({ userId }) => userId !== me.id);
  const target = useCallTarget(others, rooms && others.length > 0 ? "colleague" : "number");
  const { to } = target;
  const submit = async () => {
    try {
      await transfer.mutateAsync({ to, mode });
    } catch {
      return; // the dialog says why
    }
    onClose();
    if (mode === "attended") void side.join(call.id);
  };
  return (
    <FormDialog
      open
      onOpenChange={(next) => !next && onClose()}
      title="Transfer the call"
      description={
        mode === "attended"
          ? `You talk to them first, unheard by ${customerLabel(call)}, and then give them the call or go back.`
          : `${customerLabel(call)} is sent there at once, and leaves this call when somebody answers.`
      }
      act={mode === "attended" ? "Ring" : "Transfer"}
      pending={transfer.isPending}
      error={transfer.isError ? transferTrouble(transfer.error) : undefined}
      disabled={to === ""}
      onSubmit={() => void submit()}
    >
      <StackedField name="How" error={undefined}>
        {(props) => (
          <Select
            {...props}
            value={mode}
            options={[
              ...(rooms ? [["attended", "Talk to them first"] as const] : []),
              ["blind", "At once"] as const,
            ]}
            onChange={setMode}
          />
        )}
      </StackedField>
      <CallTargetFields Line={StackedField} target={target} number="Number or SIP address" />
    </FormDialog>
  );
}
