import { audioContext } from "./output";
import { endOf, Playout, sidesOf, type FeedEvents, type OpenFeed } from "./feed";

/** Of sound that comes without Opus: what a voice needs, for half of the bytes. */
const PCM_RATE = 24_000;
const OPUS: AudioDecoderConfig = { codec: "opus", sampleRate: 48_000, numberOfChannels: 2 };
/** A frame of Opus, in microseconds. */
const FRAME_US = 20_000;

/** What becomes of the frames of one connection. */
interface Decoder {
  push(frame: ArrayBuffer): void;
  close(): void;
}

type Play = (sides: readonly Float32Array<ArrayBuffer>[], rate: number) => void;

/** Whether this browser decodes Opus by itself. */
async function decodesOpus(): Promise<boolean> {
  if (!("AudioDecoder" in globalThis)) return false; // also on pages that are not secure
  return AudioDecoder.isConfigSupported(OPUS).then(
    ({ supported }) => supported === true,
    () => false,
  );
}

function opusDecoder(play: Play, fail: () => void): Decoder {
  let frames = 0;
  const decoder = new AudioDecoder({
    output: (data) => {
      const sides = [0, 1].map((planeIndex) => {
        const side = new Float32Array(data.numberOfFrames);
        data.copyTo(side, { planeIndex, format: "f32-planar" });
        return side;
      });
      play(sides, data.sampleRate);
      data.close();
    },
    error: fail,
  });
  decoder.configure(OPUS);
  return {
    push: (data) => {
      if (decoder.state !== "configured") return;
      decoder.decode(new EncodedAudioChunk({ type: "key", timestamp: frames * FRAME_US, data }));
      frames += 1;
    },
    close: () => {
      if (decoder.state !== "closed") decoder.close();
    },
  };
}

/** Where the two sides become tracks, so that they are heard as those of a room are. */
function sidesAsTracks(output: AudioContext) {
  const splitter = output.createChannelSplitter(2);
  const ends = [0, 1].map((side) => {
    const end = output.createMediaStreamDestination();
    end.channelCount = 1;
    splitter.connect(end, side);
    return end;
  });
  const playout = new Playout();
  const play: Play = (sides, rate) => {
    const [left, right] = sides;
    if (left === undefined || right === undefined || left.length === 0) return;
    const at = playout.place(output.currentTime, left.length / rate);
    if (at === undefined) return;
    const buffer = output.createBuffer(2, left.length, rate);
    buffer.copyToChannel(left, 0);
    buffer.copyToChannel(right, 1);
    const source = output.createBufferSource();
    source.buffer = buffer;
    source.connect(splitter);
    source.start(at);
  };
  const close = () => {
    splitter.disconnect();
    ends.forEach((end) => end.stream.getTracks().forEach((track) => track.stop()));
  };
  const tracks = ends.map((end) => end.stream.getAudioTracks()[0]);
  return { play, tracks, close };
}

/** The URL at this page's own address: the only one that its policy lets it talk to. */
function atHome(url: string): URL {
  const { pathname } = new URL(url);
  const home = new URL(pathname, window.location.href);
  home.protocol = home.protocol === "https:" ? "wss:" : "ws:";
  return home;
}

/** Plays one call from its listen WebSocket: the customer left, the agent right, as two tracks. */
export const openFeed: OpenFeed = (given, callId, events) => {
  const { play, tracks, close: silence } = sidesAsTracks(audioContext());
  let socket: WebSocket | undefined;
  let decoder: Decoder | undefined;
  let ended = false;
  const close = () => {
    ended = true;
    socket?.close();
    decoder?.close();
    silence();
  };
  const end: FeedEvents["onEnd"] = (why) => {
    if (ended) return;
    close();
    events.onEnd(why);
  };
  const connect = (opus: boolean) => {
    if (ended) return;
    const url = atHome(given);
    url.searchParams.set("encoding", opus ? "opus" : "linear16");
    if (!opus) url.searchParams.set("sampleRate", String(PCM_RATE));
    decoder = opus
      ? opusDecoder(play, () => end("lost"))
      : { push: (frame) => play(sidesOf(frame), PCM_RATE), close: () => undefined };
    socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => {
      if (typeof data !== "string") return decoder?.push(data);
      if ((JSON.parse(data) as { type: string }).type !== "start") return;
      (["customer", "agent"] as const).forEach((party, side) => {
        const track = tracks[side];
        if (track !== undefined) events.onTrack(`${callId}/${party}`, track);
      });
    };
    socket.onclose = ({ code }) => end(endOf(code));
  };
  void decodesOpus().then(connect);
  return { close };
};
