import { Volume2, VolumeX } from "lucide-react";
import { useListener } from "@/audio/context";
import { MAX_GAIN, type HeardParty, type Listening } from "@/audio/listener";
import { Button } from "@/components/ui/button";
import { Slider } from "@/components/ui/slider";
import { words } from "@/lib/format";

interface Props {
  listening: Listening;
  party: HeardParty;
  className?: string;
}

/** Mute and volume of one party, for this page's ears only. */
export function PartySound({ listening, party, className }: Props) {
  const listener = useListener();
  const { gain, muted } = listening.parties[party];
  const name = words(party);
  const percent = Math.round(gain * 100);
  return (
    <span className="flex items-center gap-1.5">
      <Button
        variant={muted ? "danger" : "quiet"}
        size="icon"
        aria-pressed={muted}
        aria-label={`Mute ${party}`}
        title={muted ? `${name} is muted for you` : `Mute ${party} for you`}
        onClick={() => listener.setMuted(listening.callId, party, !muted)}
      >
        {muted ? <VolumeX aria-hidden /> : <Volume2 aria-hidden />}
      </Button>
      <Slider
        label={`Volume of ${party}`}
        value={muted ? 0 : percent}
        max={MAX_GAIN * 100}
        step={5}
        valueText={muted ? "muted" : `${percent} percent`}
        className={className ?? "w-20"}
        onChange={(value) => {
          listener.setGain(listening.callId, party, value / 100);
          if (muted) listener.setMuted(listening.callId, party, false);
        }}
      />
    </span>
  );
}
