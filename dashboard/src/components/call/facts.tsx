import type { ReactNode } from "react";
import { ConsentControl } from "@/components/consent-control";
import { agentLabel, endText } from "@/lib/call-words";
import { moment, momentWithZone, words } from "@/lib/format";
import { useNow } from "@/lib/ticker";
import { isEnded } from "@/realtime/patches";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";
import { CallSection } from "./section";

function Moment({ at }: { at: string }) {
  const now = useNow();
  return (
    <time dateTime={at} title={momentWithZone(at)} className="tabular-nums">
      {moment(at, now)}
    </time>
  );
}

/** What is known of a call, as it was given. */
export function Facts({ call, me }: { call: Call; me: Me }) {
  const held =
    call.control.holder === "agent" ? "Agent" : (call.control.holderName ?? "Supervisor");
  const facts: (readonly [string, ReactNode])[] = [
    ["From", call.from],
    ["To", call.to],
    ["Direction", words(call.direction)],
    ["Agent", agentLabel(call)],
    ["Room", call.livekitRoomName],
    ["Started", <Moment key="started" at={call.startedAt} />],
    ["Answered", call.answeredAt && <Moment key="answered" at={call.answeredAt} />],
    ["Ended", call.endedAt && <Moment key="ended" at={call.endedAt} />],
    ["End reason", call.endReason && endText(call.endReason)],
    ["Outcome", call.outcome && words(call.outcome)],
    ["In control", isEnded(call) ? undefined : held],
    ["Consent", <ConsentControl key="consent" call={call} me={me} />],
    ["Campaign", call.campaign],
  ];
  return (
    <CallSection title="Facts">
      <dl className="grid grid-cols-[6rem_minmax(0,1fr)] gap-x-3 gap-y-1.5">
        {facts.map(([name, value]) =>
          value === undefined || value === "" ? null : (
            <div key={name} className="contents">
              <dt className="text-ink-soft">{name}</dt>
              <dd className="break-words">{value}</dd>
            </div>
          ),
        )}
      </dl>
    </CallSection>
  );
}
