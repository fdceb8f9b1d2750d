import { useQuery } from "@tanstack/react-query";
import { Download, LoaderCircle, Pause, Play, TriangleAlert, Volume2, VolumeX } from "lucide-react";
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { Button } from "@/components/ui/button";
import {
  DropdownMenu,
  DropdownMenuContent,
  DropdownMenuRadioGroup,
  DropdownMenuRadioItem,
  DropdownMenuTrigger,
} from "@/components/ui/dropdown-menu";
import { agentLabel, customerLabel } from "@/lib/call-words";
import { cn } from "@/lib/cn";
import { duration, size, words } from "@/lib/format";
import { useKeys } from "@/lib/keys";
import type { Call } from "@/wire/Call";
import type { Channel } from "@/wire/Channel";
import type { Recording } from "@/wire/Recording";
import { loadOutline, MAX_OUTLINE_SECONDS } from "./peaks";
import { Playback, RATES, type PlaybackState } from "./playback";
import { STEP_SECONDS, Waveform } from "./waveform";

const PLAYABLE: readonly string[] = ["sealed", "stored"];

interface Props {
  recording: Recording;
  call: Call;
}

/** A recording, or why there is nothing to play. */
export default function RecordingPlayer({ recording, call }: Props) {
  if (PLAYABLE.includes(recording.state)) return <Player recording={recording} call={call} />;
  const text =
    recording.state === "erased"
      ? "This recording was erased."
      : `The recording failed${recording.error === undefined ? "." : `: ${recording.error}`}`;
  return (
    <p className="flex items-center gap-2 text-ink-soft">
      <TriangleAlert aria-hidden className="size-4 text-warn-ink" />
      {text}
    </p>
  );
}

/** A playback for the component's life. */
function usePlayback(recording: Recording): Playback | undefined {
  const [playback, setPlayback] = useState<Playback>();
  const { audioUrl } = recording;
  const names = JSON.stringify(
    recording.channels.map(({ index, party }) => ({ index, name: `recording/${party}` })),
  );
  useEffect(() => {
    const channels = JSON.parse(names) as { index: number; name: string }[];
    const made = new Playback(audioUrl, channels);
    // eslint-disable-next-line react-hooks/set-state-in-effect -- it owns an element that must be closed
    setPlayback(made);
    return () => made.close();
  }, [audioUrl, names]);
  return playback;
}

function Player({ recording, call }: Props) {
  const playback = usePlayback(recording);
  return playback === undefined ? null : (
    <Controls key={recording.id} recording={recording} call={call} playback={playback} />
  );
}

const channelColor = (channel: Channel) =>
  channel.party === "customer" ? "--customer" : "--agent";

function Controls({ recording, call, playback }: Props & { playback: Playback }) {
  const state = useSyncExternalStore(playback.subscribe, playback.state);
  const outline = useQuery({
    queryKey: ["outline", recording.id],
    enabled: recording.durationSeconds <= MAX_OUTLINE_SECONDS,
    staleTime: Infinity,
    retry: false,
    queryFn: ({ signal }) => loadOutline(recording.audioUrl, signal),
  });
  const lanes = useMemo(
    () =>
      recording.channels.map((channel, at) => ({
        color: channelColor(channel),
        peaks: outline.data?.[channel.index],
        muted: state.muted[at] ?? false,
      })),
    [recording.channels, outline.data, state.muted],
  );
  useKeys({
    " ": () => playback.toggle(),
    ArrowLeft: () => playback.seek(playback.position - STEP_SECONDS),
    ArrowRight: () =>
      playback.seek(Math.min(recording.durationSeconds, playback.position + STEP_SECONDS)),
  });
  return (
    <div data-testid="player" data-recording={recording.id}>
      <div className="flex gap-3">
        <div className="-ml-2 grid w-30 shrink-0 grid-cols-[minmax(0,1fr)] content-start gap-1.5">
          {recording.channels.map((channel, at) => (
            <ChannelButton
              key={channel.index}
              channel={channel}
              name={nameOf(channel, call)}
              muted={state.muted[at] ?? false}
              onMute={(muted) => playback.setMuted(at, muted)}
            />
          ))}
        </div>
        <div className={cn("min-w-0 flex-1", outline.isLoading && "animate-pulse-soft")}>
          <Waveform recording={recording} playback={playback} lanes={lanes} />
        </div>
      </div>
      <Transport recording={recording} playback={playback} state={state} />
      {state.error !== undefined && (
        <p role="alert" className="mt-2 text-bad-ink">
          {state.error}
        </p>
      )}
      <Flaws recording={recording} />
    </div>
  );
}

function nameOf(channel: Channel, call: Call): string {
  if (channel.name !== undefined) return channel.name;
  return channel.party === "customer" ? customerLabel(call) : agentLabel(call);
}

interface ChannelButtonProps {
  channel: Channel;
  name: string;
  muted: boolean;
  onMute: (muted: boolean) => void;
}

function ChannelButton({ channel, name, muted, onMute }: ChannelButtonProps) {
  const Icon = muted ? VolumeX : Volume2;
  return (
    <button
      type="button"
      aria-pressed={muted}
      title={muted ? `${name} is muted` : `Mute ${name}`}
      onClick={() => onMute(!muted)}
      className="flex h-11 items-center gap-2 rounded-md px-2 text-left transition-colors hover:bg-hover"
    >
      <Icon
        aria-hidden
        className={cn(
          "size-4 shrink-0",
          muted
            ? "text-ink-faint"
            : channel.party === "customer"
              ? "text-customer-ink"
              : "text-agent-ink",
        )}
      />
      <span className="min-w-0">
        <span className="sr-only">Mute </span>
        <span
          className={cn(
            "block truncate text-xs font-medium",
            muted && "text-ink-faint line-through",
          )}
        >
          {name}
        </span>
        <span className="block text-2xs text-ink-faint">{words(channel.party)}</span>
      </span>
    </button>
  );
}

interface TransportProps {
  recording: Recording;
  playback: Playback;
  state: PlaybackState;
}

function Transport({ recording, playback, state }: TransportProps) {
  const busy = state.loading && !state.playing;
  const Icon = busy ? LoaderCircle : state.playing ? Pause : Play;
  return (
    <div className="mt-3 flex items-center gap-2">
      <Button
        variant="primary"
        size="icon"
        className="size-8 rounded-full"
        aria-label={state.playing ? "Pause" : "Play"}
        onClick={() => playback.toggle()}
      >
        <Icon aria-hidden className={cn("fill-current", busy && "animate-spin fill-none")} />
      </Button>
      <Position playback={playback} total={recording.durationSeconds} />
      <div className="flex-1" />
      <DropdownMenu>
        <DropdownMenuTrigger asChild>
          <Button variant="quiet" aria-label={`Speed: ${state.rate}`} className="tabular-nums">
            {state.rate}×
          </Button>
        </DropdownMenuTrigger>
        <DropdownMenuContent align="end" className="min-w-24">
          <DropdownMenuRadioGroup
            value={String(state.rate)}
            onValueChange={(value) => playback.setRate(Number(value))}
          >
            {RATES.map((rate) => (
              <DropdownMenuRadioItem key={rate} value={String(rate)} className="tabular-nums">
                {rate}×
              </DropdownMenuRadioItem>
            ))}
          </DropdownMenuRadioGroup>
        </DropdownMenuContent>
      </DropdownMenu>
      <Button variant="quiet" asChild>
        <a href={recording.audioUrl} download={`${recording.callId}.ogg`}>
          <Download aria-hidden />
          {size(recording.bytes)}
          <span className="sr-only">Download the recording</span>
        </a>
      </Button>
    </div>
  );
}

/** The position in figures: written past React, since it moves with every frame. */
function Position({ playback, total }: { playback: Playback; total: number }) {
  const text = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    let frame = 0;
    const show = () => {
      if (text.current !== null) text.current.textContent = duration(playback.position);
      cancelAnimationFrame(frame);
      frame = playback.state().playing ? requestAnimationFrame(show) : 0;
    };
    show();
    const stopHearing = playback.subscribe(show);
    return () => {
      stopHearing();
      cancelAnimationFrame(frame);
    };
  }, [playback]);
  return (
    <span className="text-xs text-ink-soft tabular-nums">
      <span ref={text} data-testid="position" className="font-medium text-ink">
        0:00
      </span>{" "}
      / {duration(total)}
    </span>
  );
}

const GAP_WORDS = {
  disconnected: "connection lost",
  degraded: "recorder overloaded",
  loss: "packets lost",
} as const;

/** Gaps and pauses in words: the hatching alone would not say why. */
function Flaws({ recording }: { recording: Recording }) {
  const flaws = [
    ...recording.gaps.map((gap) => ({ ...gap, text: `Gap, ${GAP_WORDS[gap.reason]}` })),
    ...recording.pauses.map((pause) => ({ ...pause, text: "Paused" })),
  ].sort((a, b) => a.fromMs - b.fromMs);
  if (flaws.length === 0) return null;
  return (
    <ul className="mt-3 grid gap-0.5 text-xs text-ink-soft">
      {flaws.slice(0, 20).map(({ fromMs, toMs, text }) => (
        <li key={`${fromMs}-${text}`} className="tabular-nums">
          {duration(fromMs / 1000)}–{duration(toMs / 1000)} · {text}
        </li>
      ))}
      {flaws.length > 20 && <li>and {flaws.length - 20} more</li>}
    </ul>
  );
}
