import { useListening } from "@/audio/context";
import type { HeardParty } from "@/audio/listener";
import { LevelMeter } from "@/components/level-meter";
import { PartySound } from "@/components/party-sound";
import { Badge } from "@/components/ui/badge";
import { agentLabel, customerLabel } from "@/lib/call-words";
import { words } from "@/lib/format";
import { useSpeaker } from "@/realtime/levels";
import type { Call } from "@/wire/Call";

/** Who talks, how loud, and what is heard of them. */
export function Parties({ call }: { call: Call }) {
  return (
    <section aria-label="Parties" className="grid gap-4 border-b border-line p-4">
      <PartyPanel callId={call.id} party="customer" name={customerLabel(call)} />
      <PartyPanel callId={call.id} party="agent" name={agentLabel(call)} />
    </section>
  );
}

interface PartyPanelProps {
  callId: string;
  party: HeardParty;
  name: string;
}

function PartyPanel({ callId, party, name }: PartyPanelProps) {
  const listening = useListening(callId);
  const speaks = useSpeaker(callId) === party;
  return (
    <div>
      <div className="flex h-7 items-center justify-between gap-3">
        <span className="min-w-0 truncate">
          <span className="text-ink-soft">{words(party)}</span> · {name}
          {speaks && (
            <Badge tone="accent" className="ml-2">
              Speaking
            </Badge>
          )}
        </span>
        {listening?.phase === "hearing" && <PartySound listening={listening} party={party} />}
      </div>
      <LevelMeter callId={callId} party={party} className="mt-1 h-1.5" />
    </div>
  );
}
