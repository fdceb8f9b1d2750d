import { Check, PhoneForwarded, Undo2 } from "lucide-react";
import { useEffect, useState } from "react";
import { useAgents } from "@/api/agents";
import { useCompleteTransfer, useTakeBackTransfer, useTransfer } from "@/api/transfers";
import { side, useSide } from "@/audio/side";
import { FormDialog } from "@/components/form-dialog";
import { StackedField } from "@/components/form";
import { TextField } from "@/components/text-field";
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

/** Sending a call elsewhere: one row, the same whatever it shows. */
export function Transfer({ call, me }: Props) {
  const [asked, setAsked] = useState(false);
  const { transfer } = call;
  const open = transfer !== undefined && isOpen(transfer) ? transfer : undefined;
  const mine = open !== undefined && open.mode === "attended" && isMine(open, me);
  const text = transfer === undefined ? "" : transferText(transfer, me);
  return (
    <div className="grid grid-cols-3 gap-2" data-testid="transfer">
      {mine ? (
        <Talk call={call} transfer={open} />
      ) : (
        <>
          <ActButton
            icon={PhoneForwarded}
            label="Transfer"
            hint="Sends the customer elsewhere, or gives the call to a colleague"
            obstacle={open === undefined ? obstacle(call, me, "transfer") : text}
            busy={open !== undefined}
            onPress={() => setAsked(true)}
          />
          <p
            role="status"
            title={text}
            className="col-span-2 line-clamp-2 h-8 text-xs leading-4 text-ink-soft"
          >
            {text}
          </p>
        </>
      )}
      {asked && <TransferDialog call={call} me={me} onClose={() => setAsked(false)} />}
    </div>
  );
}

/** A word with whoever is to have the call, and what comes of it. */
function Talk({ call, transfer }: { call: Call; transfer: Moved }) {
  const complete = useCompleteTransfer(call.id);
  const back = useTakeBackTransfer(call.id);
  const talk = useSide(call.id);
  const to = targetLabel(transfer);
  const answered = transfer.stage === "talking";
  const failed = complete.isError ? complete.error : back.isError ? back.error : undefined;
  const error = talk?.error ?? (failed === undefined ? undefined : transferTrouble(failed));
  const text =
    error ??
    (answered
      ? `You talk with ${to}. The customer hears neither of you.`
      : `Ringing ${to}… The customer does not hear you.`);
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
        obstacle={answered ? undefined : `${to} has not answered yet.`}
        busy={complete.isPending}
        onPress={() => complete.mutate()}
      />
      {talk?.phase === "failed" ? (
        <ActButton
          icon={PhoneForwarded}
          label="Talk here"
          hint={error ?? ""}
          obstacle={undefined}
          onPress={() => void side.join(call.id)}
        />
      ) : (
        <p
          role={error === undefined ? "status" : "alert"}
          title={text}
          className={
            error === undefined
              ? "line-clamp-2 h-8 text-xs leading-4 text-ink-soft"
              : "line-clamp-2 h-8 text-xs leading-4 text-bad-ink"
          }
        >
          {text}
        </p>
      )}
    </>
  );
}

type Where = "colleague" | "number";

/** Asks whom the call is to go to, and how. */
function TransferDialog({ call, me, onClose }: Props & { onClose: () => void }) {
  const transfer = useTransfer(call.id);
  const rooms = call.upstream === "livekit";
  const [mode, setMode] = useState<TransferMode>(rooms ? "attended" : "blind");
  const [to, setTo] = useState("");
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
      <To me={me} rooms={rooms} onChange={setTo} />
    </FormDialog>
  );
}

interface ToProps {
  me: Me;
  /** The call is in a room, where colleagues can have it. */
  rooms: boolean;
  onChange: (to: string) => void;
}

/** A colleague, or a telephone. */
function To({ me, rooms, onChange }: ToProps) {
  const agents = useAgents().data ?? [];
  const others = agents.filter(({ userId }) => userId !== me.id);
  const [wanted, setWanted] = useState<Where>();
  const where = wanted ?? (rooms && others.length > 0 ? "colleague" : "number");
  const [number, setNumber] = useState("");
  const [chosen, setChosen] = useState("");
  const known = others.some(({ userId }) => userId === chosen);
  const colleague = known ? chosen : (others[0]?.userId ?? "");
  const to = where === "number" ? number.trim() : colleague === "" ? "" : `user:${colleague}`;
  useEffect(() => onChange(to), [to, onChange]);
  return (
    <>
      <StackedField name="To" error={undefined}>
        {(props) => (
          <Select
            {...props}
            value={where}
            options={[
              ["colleague", "A colleague"],
              ["number", "A telephone"],
            ]}
            onChange={setWanted}
          />
        )}
      </StackedField>
      {where === "colleague" ? (
        <StackedField
          name="Colleague"
          error={others.length === 0 ? "There is nobody else." : undefined}
        >
          {(props) => (
            <Select
              {...props}
              value={colleague}
              options={others.map(({ userId, name, status }) => [userId, `${name} (${status})`])}
              onChange={setChosen}
            />
          )}
        </StackedField>
      ) : (
        <TextField
          name="Number or SIP address"
          value={number}
          autoComplete="off"
          placeholder="+49301234567"
          onChange={setNumber}
        />
      )}
    </>
  );
}
