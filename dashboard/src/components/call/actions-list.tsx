import { errorText } from "@/api/client";
import { useActions } from "@/api/notes";
import { Button } from "@/components/ui/button";
import { moment, momentWithZone } from "@/lib/format";
import { useNow } from "@/lib/ticker";
import type { Call } from "@/wire/Call";
import { ACTIONS } from "./annotation-words";
import { CallSection } from "./section";

/** What supervisors did to or about the call. */
export function ActionsList({ call }: { call: Call }) {
  const actions = useActions(call.id);
  const now = useNow();
  if (actions.isError && actions.data === undefined) {
    return (
      <CallSection title="Supervisors">
        <p role="alert" className="text-bad-ink">
          {errorText(actions.error)}
          <Button className="ml-2" onClick={() => void actions.refetch()}>
            Try again
          </Button>
        </p>
      </CallSection>
    );
  }
  if (actions.data === undefined || actions.data.length === 0) return null;
  return (
    <CallSection title="Supervisors">
      <ol className="grid gap-1.5">
        {actions.data.map(({ id, kind, by, at }) => (
          <li key={id} className="flex items-baseline gap-2">
            <span className="min-w-0 flex-1">
              <span className="font-medium">{by.name}</span>{" "}
              <span className="text-ink-soft">{ACTIONS[kind]}</span>
            </span>
            <time
              dateTime={at}
              title={momentWithZone(at)}
              className="text-xs text-ink-soft tabular-nums"
            >
              {moment(at, now)}
            </time>
          </li>
        ))}
      </ol>
    </CallSection>
  );
}
