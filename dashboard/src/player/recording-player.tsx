import { useQueries } from "@tanstack/react-query";
import { useEffect, useMemo, useState, useSyncExternalStore, type ReactNode } from "react";
import { agentLabel, customerLabel } from "@/lib/call-words";
import { cn } from "@/lib/cn";
import { words } from "@/lib/format";
import { useKeys } from "@/lib/keys";
import { useAnnotations } from "@/api/notes";
import { MarkStrip } from "@/components/call/mark-strip";
import type { Call } from "@/wire/Call";
import type { Channel } from "@/wire/Channel";
import type { Recording } from "@/wire/Recording";
import { useOnCallTime } from "./call-time";
import { ChannelButtons } from "./channel-buttons";
import { DownloadMenu } from "./download-menu";
import { FlawList } from "./flaw-list";
import { flawsOf } from "./flaws";
import { PlayerContext } from "./handle";
import { audible, isMain, sourcesOf, type Switches } from "./mixing";
import { loadOutline, MAX_OUTLINE_SECONDS } from "./peaks";
import { Playback } from "./playback";
import { Transport } from "./transport";
import { soundTrouble } from "./trouble";
import { STEP_MS, Waveform } from "./waveform";

const COLOR = { customer: "--customer", agent: "--agent", supervisor: "--accent-ink" } as const;

/** Keys that mute a channel: as many as there are digits. */
const DIGITS = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];

interface Props {
  recording: Recording;
  call: Call;
  /** Who looks at it. */
  myId: string;
  /** Hears keys until another player of the page is used. */
  primary: boolean;
  /** What belongs to the recording's time: it may seek, through `usePlayer`. */
  children?: ReactNode;
}

/** A playback for the component's life. */
function usePlayback(recording: Recording): Playback | undefined {
  const [playback, setPlayback] = useState<Playback>();
  // a recording that is fetched again is another object with the same sound
  const playable = JSON.stringify({
    sources: sourcesOf(recording),
    probes: recording.channels.map(
      (channel) => `recording/${isMain(channel) ? channel.party : channel.index}`,
    ),
    durationSeconds: recording.durationSeconds,
  });
  useEffect(() => {
    const made = new Playback(JSON.parse(playable) as ConstructorParameters<typeof Playback>[0]);
    // eslint-disable-next-line react-hooks/set-state-in-effect -- it owns an element that must be closed
    setPlayback(made);
    return () => made.close();
  }, [playable]);
  return playback;
}

/** Plays a recording: a lane per channel, each to be muted or heard alone. */
export function RecordingPlayer(props: Props) {
  const { recording, call } = props;
  const playback = usePlayback(recording);
  useOnCallTime(recording.id, onCallTime(recording, call), lengthOf(recording), playback);
  return playback === undefined ? null : <Controls {...props} playback={playback} />;
}

const lengthOf = ({ durationSeconds }: Recording): number => durationSeconds * 1000;

/** When the recording begins, in milliseconds since its call's start. */
function onCallTime(recording: Recording, call: Call): number {
  const ms = Date.parse(recording.startedAt) - Date.parse(call.startedAt);
  return Number.isNaN(ms) ? 0 : ms;
}

function nameOf(channel: Channel, call: Call): string {
  if (channel.name !== undefined) return channel.name;
  if (channel.party === "supervisor") return words(channel.party);
  return channel.party === "customer" ? customerLabel(call) : agentLabel(call);
}

/** The outlines, by the channels' places: of the main file at once, of others when they are heard. */
function useOutlines(recording: Recording, heard: readonly boolean[]) {
  const sources = sourcesOf(recording);
  const short = recording.durationSeconds <= MAX_OUTLINE_SECONDS;
  const found = useQueries({
    queries: sources.map(({ url, lanes }, at) => ({
      queryKey: ["outline", url],
      enabled: short && (at === 0 || lanes.some(({ lane }) => heard[lane] === true)),
      staleTime: Infinity,
      retry: false,
      queryFn: ({ signal }: { signal: AbortSignal }) => loadOutline(url, signal),
    })),
  });
  const outlines: (Float32Array | undefined)[] = recording.channels.map(() => undefined);
  sources.forEach(({ lanes }, at) => {
    for (const { lane, output } of lanes) outlines[lane] = found[at]?.data?.[output];
  });
  return { outlines, loading: found[0]?.isLoading === true };
}

function usePlayerKeys(playback: Playback, switches: readonly Switches[], primary: boolean): void {
  const mine = (act: () => void) => () => {
    if (playback.hearsKeys(primary)) act();
  };
  const mutes = DIGITS.slice(0, switches.length).map((digit, lane) => {
    const muted = switches[lane]?.muted ?? false;
    return [digit, mine(() => playback.switch(lane, { muted: !muted }))] as const;
  });
  useKeys({
    " ": mine(() => playback.toggle()),
    ArrowLeft: mine(() => playback.seekTo(playback.positionMs - STEP_MS)),
    ArrowRight: mine(() => playback.seekTo(playback.positionMs + STEP_MS)),
    "[": mine(() => playback.stepRate(-1)),
    "]": mine(() => playback.stepRate(1)),
    ...Object.fromEntries(mutes),
  });
}

function Controls(props: Props & { playback: Playback }) {
  const { recording, call, myId, primary, playback, children } = props;
  const state = useSyncExternalStore(playback.subscribe, playback.state);
  const [downloadError, setDownloadError] = useState<unknown>();
  const flaws = useMemo(() => flawsOf(recording, myId), [recording, myId]);
  const heard = useMemo(() => audible(state.switches), [state.switches]);
  const { outlines, loading } = useOutlines(recording, heard);
  const lanes = recording.channels.map((channel, lane) => ({
    color: COLOR[channel.party],
    peaks: outlines[lane],
    heard: heard[lane] ?? false,
  }));
  usePlayerKeys(playback, state.switches, primary);
  const trouble =
    state.error ?? (downloadError === undefined ? undefined : soundTrouble(downloadError));
  return (
    <PlayerContext value={playback}>
      <div data-testid="player" data-recording={recording.id}>
        <div className="flex gap-3">
          <div className="-ml-2 grid w-42 shrink-0 grid-cols-[minmax(0,1fr)] content-start gap-1.5">
            {recording.channels.map((channel, lane) => (
              <ChannelButtons
                key={channel.index}
                channel={channel}
                name={nameOf(channel, call)}
                switches={state.switches[lane] ?? { muted: false, solo: false }}
                heard={heard[lane] ?? false}
                hasOthers={recording.channels.length > 1}
                onSwitch={(part) => playback.switch(lane, part)}
              />
            ))}
          </div>
          <div className={cn("min-w-0 flex-1", loading && "animate-pulse-soft")}>
            <Waveform
              playback={playback}
              lanes={lanes}
              flaws={flaws}
              totalMs={lengthOf(recording)}
            />
            <Marks recording={recording} call={call} playback={playback} />
          </div>
        </div>
        <Transport playback={playback} state={state} totalSeconds={recording.durationSeconds}>
          <DownloadMenu
            recording={recording}
            nameOf={(channel) => nameOf(channel, call)}
            onTrouble={setDownloadError}
          />
        </Transport>
        {trouble !== undefined && (
          <p role="alert" className="mt-2 text-bad-ink">
            {trouble}
          </p>
        )}
        <FlawList flaws={flaws} />
        {children}
      </div>
    </PlayerContext>
  );
}

interface MarksProps {
  recording: Recording;
  call: Call;
  playback: Playback;
}

/** What was marked, below the moment it is about. */
function Marks({ recording, call, playback }: MarksProps) {
  const annotations = useAnnotations(call.id).data ?? [];
  const startMs = onCallTime(recording, call);
  return (
    <MarkStrip
      className="mt-1.5"
      annotations={annotations}
      startMs={startMs}
      lengthMs={lengthOf(recording)}
      onGo={(callMs) => playback.seekTo(callMs - startMs)}
    />
  );
}
