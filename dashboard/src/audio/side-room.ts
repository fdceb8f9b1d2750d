import { Room, RoomEvent, Track, type RemoteTrack } from "livekit-client";
import type { SideParts } from "./side";
import { speakers, type Voice } from "./output";

/** As the gateway forwards it: one Opus stream, quiet while nobody speaks. */
const MICROPHONE = {
  name: "microphone",
  source: Track.Source.Microphone,
  red: false,
  dtx: true,
  forceStereo: false,
};

/** Joins the room of a transfer through livekit-client and lets everybody in it be heard. */
export const connectSide: SideParts["connect"] = async (seat, track, onClosed) => {
  const room = new Room({
    adaptiveStream: false,
    dynacast: false,
    stopLocalTrackOnUnpublish: false, // the microphone is its owner's
  });
  const voices = new Map<RemoteTrack, Voice>();
  const drop = (gone: RemoteTrack) => {
    voices.get(gone)?.close();
    voices.delete(gone);
  };
  const end = () => {
    room.removeAllListeners();
    for (const heard of voices.keys()) drop(heard);
  };
  room
    .on(RoomEvent.TrackSubscribed, (heard, publication) => {
      if (heard.kind !== Track.Kind.Audio) return;
      const voice = speakers.attach(`side/${publication.trackName}`, heard.mediaStreamTrack);
      voice.setGain(1);
      voices.set(heard, voice);
    })
    .on(RoomEvent.TrackUnsubscribed, drop)
    .on(RoomEvent.Disconnected, () => {
      end();
      onClosed();
    });
  const leave = () => {
    end();
    void room.disconnect(false);
  };
  try {
    await room.connect(seat.url, seat.token);
    await room.localParticipant.publishTrack(track, MICROPHONE);
  } catch (error) {
    leave();
    throw error;
  }
  return { leave };
};
