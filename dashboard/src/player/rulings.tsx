import { useState } from "react";
import { ApiError, errorText } from "@/api/client";
import { useErase, useHold } from "@/api/recordings";
import { Confirm } from "@/components/ui/confirm";
import { Input } from "@/components/ui/input";
import { customerLabel } from "@/lib/call-words";
import { duration } from "@/lib/format";
import type { Call } from "@/wire/Call";
import type { Recording } from "@/wire/Recording";

/** Longest reason that is sent. */
const REASON_LETTERS = 500;

function refusal(error: unknown): string {
  if (!(error instanceof ApiError)) return errorText(error);
  if (error.code === "legal_hold") {
    return "A legal hold keeps it: nothing was erased. Lift the hold of this recording and, if there is one, that of the whole tenant first.";
  }
  if (error.status === 409) return `${errorText(error)} Nothing was erased.`;
  if (error.status === 410) return "It was erased already.";
  return errorText(error);
}

interface Props {
  recording: Recording;
  open: boolean;
  onOpenChange: (open: boolean) => void;
}

/** Asks before a recording is erased, and says what that means. */
export function EraseDialog({ recording, call, ...dialog }: Props & { call: Call }) {
  const erase = useErase(recording);
  const what = `${duration(recording.durationSeconds)} with ${customerLabel(call)}`;
  return (
    <Confirm
      {...dialog}
      title="Erase this recording?"
      description={`The recording (${what}) and its transcript are erased for everybody, at once. Its key is destroyed: copies in backups cannot be read any more either. Nobody can undo that. The audit log keeps that you did it.`}
      act="Erase for good"
      pending={erase.isPending}
      error={erase.isError ? refusal(erase.error) : undefined}
      onConfirm={() => erase.mutate(undefined, { onSuccess: () => dialog.onOpenChange(false) })}
    />
  );
}

/** Sets or lifts a legal hold, with the reason that the audit log keeps. */
export function HoldDialog({ recording, ...dialog }: Props) {
  const hold = useHold(recording);
  const [reason, setReason] = useState("");
  const lifts = recording.legalHold;
  const done = () => {
    setReason("");
    dialog.onOpenChange(false);
  };
  return (
    <Confirm
      {...dialog}
      title={lifts ? "Lift the legal hold?" : "Hold this recording?"}
      description={
        lifts
          ? "The policy and admins may erase the recording again: if its time is over, the policy does so within the hour."
          : "Nobody can erase the recording, and no policy does, until an admin lifts the hold."
      }
      act={lifts ? "Lift the hold" : "Hold"}
      destroys={false}
      disabled={reason.trim() === ""}
      pending={hold.isPending}
      error={hold.isError ? refusal(hold.error) : undefined}
      onConfirm={() => hold.mutate({ held: !lifts, reason: reason.trim() }, { onSuccess: done })}
    >
      <label className="mt-4 block">
        <span className="mb-1 block text-xs font-medium text-ink-soft">
          Reason, for the audit log
        </span>
        <Input
          required
          maxLength={REASON_LETTERS}
          placeholder="For example: case 2026-114"
          value={reason}
          onChange={(event) => setReason(event.target.value)}
        />
      </label>
    </Confirm>
  );
}
