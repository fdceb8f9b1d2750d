import { audioContext, LEVEL_SAMPLES, rms, unlock } from "./output";
import { addProbe } from "./probes";

/** The gate opens and closes over this long: no clicks, and no syllable that was not meant. */
const GATE_SECONDS = 0.005;

/** A microphone that is open. */
export interface Microphone {
  /** What is published. Silent until `setAudible`. */
  readonly track: MediaStreamTrack;
  /** Whether what is said leaves this computer. */
  setAudible(audible: boolean): void;
  /** Loudness of what it hears, 0 to 1, also while it is not audible. */
  level(): number;
  /** Calls `listener` when it is unplugged, or the person takes the permission back. */
  onLost(listener: () => void): void;
  close(): void;
}

/** A microphone that can be chosen. */
export interface Device {
  readonly id: string;
  readonly name: string;
}

/** Opens a microphone, the default one if the wanted one is not there. May ask the person. */
export async function openMicrophone(deviceId: string | undefined): Promise<Microphone> {
  // there is none on pages that did not come over https
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (devices === undefined) throw new DOMException("no secure context", "SecurityError");
  const stream = await devices.getUserMedia({
    audio: {
      echoCancellation: true,
      noiseSuppression: true,
      autoGainControl: true,
      ...(deviceId === undefined ? {} : { deviceId: { ideal: deviceId } }),
    },
  });
  const [captured] = stream.getAudioTracks();
  if (captured === undefined) throw new DOMException("no audio track", "NotFoundError");
  return gated(stream, captured);
}

/**
 * A gain stands between the microphone and what is published: `enabled` of a published track is
 * LiveKit's client's, which sets it whenever it takes a track up.
 */
function gated(stream: MediaStream, captured: MediaStreamTrack): Microphone {
  const output = audioContext();
  void unlock(); // a context that stands still publishes nothing
  const source = output.createMediaStreamSource(stream);
  const meter = output.createAnalyser();
  meter.fftSize = LEVEL_SAMPLES;
  const gate = output.createGain();
  gate.gain.value = 0;
  const published = new MediaStreamAudioDestinationNode(output, {
    channelCount: 1,
    channelCountMode: "explicit",
  });
  source.connect(meter);
  source.connect(gate).connect(published);
  const removeProbe = addProbe("microphone", gate);
  const [track] = published.stream.getAudioTracks();
  if (track === undefined) throw new DOMException("nothing to publish", "NotReadableError");
  const samples = new Float32Array(LEVEL_SAMPLES);
  let isOpen = false;
  return {
    track,
    setAudible: (audible) => {
      if (audible === isOpen) return;
      isOpen = audible;
      gate.gain.setTargetAtTime(audible ? 1 : 0, output.currentTime, GATE_SECONDS);
    },
    level: () => rms(meter, samples),
    onLost: (listener) => captured.addEventListener("ended", listener),
    close: () => {
      removeProbe();
      source.disconnect();
      gate.disconnect();
      track.stop();
      captured.stop(); // ours: no `ended` follows
    },
  };
}

/** The microphones there are. They have names only after one was permitted. */
export async function listMicrophones(): Promise<Device[]> {
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  const found = (await devices?.enumerateDevices()) ?? [];
  return found
    .filter(({ kind, deviceId, label }) => kind === "audioinput" && deviceId !== "" && label !== "")
    .map(({ deviceId, label }) => ({ id: deviceId, name: label }));
}

const TROUBLE: Partial<Record<string, string>> = {
  NotAllowedError:
    "The browser refused the microphone. Allow it for this page beside the address, then try again.",
  SecurityError: "Browsers give microphones to https pages only. Open Sidetone over https.",
  NotFoundError: "No microphone was found. Plug one in, then try again.",
  NotReadableError:
    "The microphone cannot be opened. Close other programs that use it, then try again.",
};

/** Why there is no microphone, and what to do. */
export function microphoneTrouble(error: unknown): string {
  const name = error instanceof Error ? error.name : "";
  return TROUBLE[name] ?? "The microphone could not be opened. Choose another one and try again.";
}
