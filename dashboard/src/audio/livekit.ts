import {
  DisconnectReason,
  Room,
  RoomEvent,
  setLogLevel,
  Track,
  type LocalTrackPublication,
  type RemoteTrackPublication,
} from "livekit-client";
import type { Closed, ConnectRoom, MonitorRoom, MonitorRoomEvents } from "./room";

setLogLevel("silent"); // failures reach the person through the page, not the console

function explain(reason: DisconnectReason | undefined): Closed {
  if (reason === DisconnectReason.PARTICIPANT_REMOVED) return "removed";
  return reason === DisconnectReason.DUPLICATE_IDENTITY ? "elsewhere" : "lost";
}

/** As the gateway forwards it: one Opus stream, quiet while nobody speaks. */
const MICROPHONE = { source: Track.Source.Microphone, red: false, dtx: true } as const;

class LivekitRoom implements MonitorRoom {
  readonly #room: Room;
  readonly #events: MonitorRoomEvents;
  #wanted: ReadonlySet<string> = new Set();
  #microphone: MediaStreamTrack | undefined;
  #publication: LocalTrackPublication | undefined;
  #publishing = false;

  constructor(room: Room, events: MonitorRoomEvents) {
    this.#room = room;
    this.#events = events;
    const apply = () => this.#apply();
    room
      .on(RoomEvent.TrackPublished, apply)
      .on(RoomEvent.Reconnected, () => {
        events.onLink(true);
        this.#apply();
      })
      .on(RoomEvent.Reconnecting, () => events.onLink(false))
      .on(RoomEvent.ParticipantPermissionsChanged, () => void this.#publish())
      .on(RoomEvent.LocalTrackUnpublished, (publication) => this.#withdrawn(publication))
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

  speak(track: MediaStreamTrack | undefined): void {
    this.#microphone = track;
    void this.#publish();
  }

  leave(): void {
    this.#room.removeAllListeners();
    void this.#room.disconnect();
  }

  /** Makes what is published what is to be published, one step after the other. */
  async #publish(): Promise<void> {
    if (this.#publishing) return;
    this.#publishing = true;
    try {
      while (await this.#publishOnce());
    } catch {
      // the next permission or connection is the next try; whoever waits for it has a deadline
    }
    this.#publishing = false;
  }

  /** One step; whether there may be another one. */
  async #publishOnce(): Promise<boolean> {
    const local = this.#room.localParticipant;
    const wanted = this.#microphone;
    const shown = this.#publication?.track?.mediaStreamTrack;
    if (wanted === shown) return false;
    if (this.#publication?.audioTrack !== undefined && wanted !== undefined) {
      await this.#publication.audioTrack.replaceTrack(wanted, true);
      return true;
    }
    if (shown !== undefined) {
      await local.unpublishTrack(shown, false);
      return true;
    }
    if (wanted === undefined || local.permissions?.canPublish !== true) return false;
    this.#publication = await local.publishTrack(wanted, MICROPHONE);
    this.#events.onMicrophone(true);
    return true;
  }

  #withdrawn(publication: LocalTrackPublication): void {
    if (publication !== this.#publication) return;
    this.#publication = undefined;
    this.#events.onMicrophone(false);
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
