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
const MICROPHONE = {
  source: Track.Source.Microphone,
  red: false,
  dtx: true,
  forceStereo: false,
} as const;

class LivekitRoom implements MonitorRoom {
  readonly #room: Room;
  readonly #events: MonitorRoomEvents;
  #wanted: ReadonlySet<string> = new Set();
  #microphone: MediaStreamTrack | undefined;
  #publication: LocalTrackPublication | undefined;
  #isPublishing = false;

  constructor(room: Room, events: MonitorRoomEvents) {
    this.#room = room;
    this.#events = events;
    const apply = () => this.#apply();
    room
      .on(RoomEvent.TrackPublished, apply)
      .on(RoomEvent.Reconnected, () => {
        events.onLink(true);
        this.#apply();
        this.#publish();
      })
      .on(RoomEvent.Reconnecting, () => events.onLink(false))
      .on(RoomEvent.ParticipantPermissionsChanged, () => this.#publish())
      // the library publishes again by itself after a full reconnect
      .on(RoomEvent.LocalTrackPublished, (publication) => this.#published(publication))
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
    this.#publish();
  }

  leave(): void {
    this.#room.removeAllListeners();
    void this.#room.disconnect(false); // the microphone may go on in the next room
  }

  /** Makes what is published what is to be published, one step after the other. */
  #publish(): void {
    if (this.#isPublishing) return;
    const step = this.#nextStep();
    if (step === undefined) return;
    this.#isPublishing = true;
    step.then(
      () => {
        this.#isPublishing = false;
        this.#publish();
      },
      () => {
        // the next permission or connection is the next try; whoever waits for it has a deadline
        this.#isPublishing = false;
      },
    );
  }

  #nextStep(): Promise<void> | undefined {
    const wanted = this.#microphone;
    const shown = this.#publication?.track?.mediaStreamTrack;
    if (wanted === shown) return undefined;
    if (shown !== undefined) return this.#replace(shown, wanted);
    const { localParticipant } = this.#room;
    if (wanted === undefined || localParticipant.permissions?.canPublish !== true) return undefined;
    return localParticipant
      .publishTrack(wanted, MICROPHONE)
      .then((publication) => this.#published(publication));
  }

  async #replace(shown: MediaStreamTrack, wanted: MediaStreamTrack | undefined): Promise<void> {
    const before = this.#publication;
    if (wanted !== undefined && before?.audioTrack !== undefined) {
      await before.audioTrack.replaceTrack(wanted, true);
      return;
    }
    await this.#room.localParticipant.unpublishTrack(shown, false);
    if (before !== undefined) this.#withdrawn(before);
  }

  #published(publication: LocalTrackPublication): void {
    if (publication === this.#publication) return;
    this.#publication = publication;
    this.#events.onMicrophone(true);
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
  const room = new Room({
    adaptiveStream: false,
    dynacast: false,
    stopLocalTrackOnUnpublish: false, // the microphone is its owner's
  });
  const monitor = new LivekitRoom(room, events);
  try {
    await room.connect(grant.url, grant.token, { autoSubscribe: false });
  } catch (error) {
    monitor.leave();
    throw error;
  }
  return monitor;
};
