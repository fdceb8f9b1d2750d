import { AudioLines } from "lucide-react";
import type { HeardParty } from "@/audio/listener";
import { LevelMeter } from "@/components/level-meter";
import { cn } from "@/lib/cn";
import { useSpeaker } from "@/realtime/levels";

interface Props {
  callId: string;
  party: HeardParty;
  name: string;
  /** A live call has a meter; an ended one only a name. */
  live: boolean;
}

/** A party's name, whether it speaks, and how loud. Nothing moves when that changes. */
export function PartyLine({ callId, party, name, live }: Props) {
  const speaks = useSpeaker(callId) === party && live;
  const ink = party === "customer" ? "text-customer-ink" : "text-agent-ink";
  return (
    <span className="block min-w-0">
      <span className="flex items-center gap-1.5">
        <span className="truncate font-medium" title={name}>
          {name}
        </span>
        <AudioLines aria-hidden className={cn("size-3.5 shrink-0", ink, !speaks && "invisible")} />
        {speaks && <span className="sr-only">speaks</span>}
      </span>
      <LevelMeter
        callId={callId}
        party={party}
        className={cn("mt-1 max-w-40", !live && "invisible")}
      />
    </span>
  );
}
