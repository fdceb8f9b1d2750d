import { LoaderCircle, SendHorizontal } from "lucide-react";
import { useId, useState, type SyntheticEvent } from "react";
import { usePills } from "@/api/campaigns";
import { useWhisper } from "@/api/supervision";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/input";
import { Tooltip } from "@/components/ui/tooltip";
import { attemptTrouble, obstacle } from "@/lib/supervision-words";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";

/** Characters of what is written, at most. */
const TEXT_MAX = 2_000;

/** Writes to the agent: in one's own words, or with one of the tenant's quick messages. */
export function Write({ call, me }: { call: Call; me: Me }) {
  const whisper = useWhisper(call.id);
  const [text, setText] = useState("");
  const id = useId();
  const why = obstacle(call, me, "whisper_text");
  const ready = why === undefined && !whisper.isPending;
  const send = (said: string) =>
    whisper.mutate(said, { onSuccess: () => setText((now) => (now.trim() === said ? "" : now)) });
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    const said = text.trim();
    if (ready && said !== "") send(said);
  };
  const trouble = whisper.isError ? attemptTrouble("write", whisper.error) : undefined;
  const sent = whisper.isSuccess ? `The agent has it: ${whisper.variables}` : "";
  return (
    <div className="grid gap-1.5">
      <form className="flex gap-2" onSubmit={submit}>
        <label htmlFor={id} className="sr-only">
          Write to the agent
        </label>
        <Input
          id={id}
          value={text}
          maxLength={TEXT_MAX}
          autoComplete="off"
          placeholder={why ?? "Write to the agent: the customer hears nothing"}
          disabled={why !== undefined}
          className="h-7 text-xs"
          onChange={(event) => setText(event.target.value)}
        />
        <Tooltip content={why ?? "Only the agent gets it"}>
          <Button
            type="submit"
            aria-disabled={ready && text.trim() !== "" ? undefined : true}
            aria-busy={whisper.isPending || undefined}
          >
            {whisper.isPending ? (
              <LoaderCircle aria-hidden className="animate-spin" />
            ) : (
              <SendHorizontal aria-hidden />
            )}
            Send
          </Button>
        </Tooltip>
      </form>
      <Pills ready={ready} why={why} onSend={send} />
      <p
        role={trouble === undefined ? "status" : "alert"}
        data-testid="written"
        title={trouble ?? sent}
        className={
          trouble === undefined
            ? "h-4 truncate text-xs text-ink-soft"
            : "h-4 truncate text-xs text-bad-ink"
        }
      >
        {trouble ?? sent}
      </p>
    </div>
  );
}

interface PillsProps {
  ready: boolean;
  why: string | undefined;
  onSend: (text: string) => void;
}

/** The tenant's quick messages, in one row that scrolls. */
function Pills({ ready, why, onSend }: PillsProps) {
  const pills = usePills().data ?? [];
  if (pills.length === 0) return null;
  return (
    <ul aria-label="Quick messages" className="flex gap-1.5 overflow-x-auto pb-1">
      {pills.map(({ text, label }) => (
        <li key={text}>
          <Tooltip content={why ?? text}>
            <Button
              aria-disabled={ready ? undefined : true}
              className="max-w-48 rounded-full"
              onClick={ready ? () => onSend(text) : undefined}
            >
              <span className="truncate">{label ?? text}</span>
            </Button>
          </Tooltip>
        </li>
      ))}
    </ul>
  );
}
