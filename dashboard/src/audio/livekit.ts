import {
  DisconnectReason,
  Room,
  RoomEvent,
  setLogLevel,
  type RemoteTrackPublication,
} from "livekit-client";
import type { Closed, ConnectRoom, MonitorRoom, MonitorRoomEvents } from "./room";

setLogLevel("silent"); // failures reach the person through the page, not the console

function explain(reason: DisconnectReason | undefined): Closed {
  if (reason === DisconnectReason.PARTICIPANT_REMOVED) return "removed";
  return reason === DisconnectReason.DUPLICATE_IDENTITY ? "elsewhere" : "lost";
}

class LivekitRoom implements MonitorRoom {
  readonly #room: Room;
  #wanted: ReadonlySet<string> = new Set();

  constructor(room: Room, events: MonitorRoomEvents) {
    this.#room = room;
    const apply = () => this.#apply();
    room
      .on(RoomEvent.TrackPublished, apply)
      .on(RoomEvent.Reconnected, () => {
        events.onLink(true);
        this.#apply();
      })
      .on(RoomEvent.Reconnecting, () => events.onLink(false))
      .on(RoomEvent.TrackSubscribed, (track, publication) => {
        events.onTrack(publication.trackName, track.mediaStreamTrack);
      })
      .on(RoomEvent.TrackUnsubscribed, (track, publication) => {
        events.onTrackGone(publication.trackName, track.mediaStreamTrack);
      })
      .on(RoomEvent.Disconnected, (reason) => {
        room.removeAllListeners();
        events.onClosed(explain(reason));
      });
  }

  want(names: ReadonlySet<string>): void {
    this.#wanted = names;
    this.#apply();
  }

  leave(): void {
    this.#room.removeAllListeners();
    void this.#room.disconnect();
  }

  #apply(): void {
    for (const participant of this.#room.remoteParticipants.values()) {
      for (const publication of participant.trackPublications.values()) {
        this.#subscribe(publication);
      }
    }
  }

  #subscribe(publication: RemoteTrackPublication): void {
    const wanted = this.#wanted.has(publication.trackName);
    if (publication.isDesired !== wanted) publication.setSubscribed(wanted);
  }
}

/** Joins through livekit-client, subscribing nothing by itself. */
export const connectRoom: ConnectRoom = async (grant, events) => {
  const room = new Room({ adaptiveStream: false, dynacast: false });
  const monitor = new LivekitRoom(room, events);
  try {
    await room.connect(grant.url, grant.token, { autoSubscribe: false });
  } catch (error) {
    monitor.leave();
    throw error;
  }
  return monitor;
};
