import type { QueryClient } from "@tanstack/react-query";
import { io, type Socket } from "socket.io-client";
import { patchAgent } from "@/api/agents";
import { patchAlert } from "@/api/alerts";
import { patchPulse } from "@/api/branch-pulse";
import { patchIntelligence } from "@/api/intelligence";
import { patchAnnotation } from "@/api/notes";
import { keys } from "@/api/query";
import { patchTranscript } from "@/api/transcripts";
import { forgetServerTime, learnServerTime } from "@/lib/ticker";
import type { Agent } from "@/wire/Agent";
import type { Alert } from "@/wire/Alert";
import type { Annotation } from "@/wire/Annotation";
import type { BranchPulse } from "@/wire/BranchPulse";
import type { Call } from "@/wire/Call";
import type { CallEventMessage } from "@/wire/CallEventMessage";
import type { ControlChange } from "@/wire/ControlChange";
import type { LevelsMessage } from "@/wire/LevelsMessage";
import type { LiveUpdate } from "@/wire/LiveUpdate";
import type { StreamMessage } from "@/wire/StreamMessage";
import type { TranscriptUpdate } from "@/wire/TranscriptUpdate";
import type { TransferUpdate } from "@/wire/TransferUpdate";
import { lastLines } from "./last-lines";
import { levels } from "./levels";
import { offers } from "./offers";
import { patchesOf } from "./patches";
import { Streams } from "./streams";

/** What the connection light shows. */
export interface LinkState {
  state: "live" | "reconnecting" | "offline";
  /** Why, for hovering. */
  reason: string;
}

interface FromServer {
  connected: (message: { user_id: string; sid: string }) => void;
  initial_state: (message: { timestamp: string }) => void;
  "call-upsert": (call: Call) => void;
  call_event: (message: CallEventMessage) => void;
  "control-change": (change: ControlChange) => void;
  "transfer-update": (update: TransferUpdate) => void;
  levels: (message: LevelsMessage) => void;
  "transcript-update": (update: TranscriptUpdate) => void;
  "annotation-upsert": (annotation: Annotation) => void;
  "live-update": (update: LiveUpdate) => void;
  status_update: (agent: Agent) => void;
  alert: (alert: Alert) => void;
  branch_pulse: (pulse: BranchPulse) => void;
  metrics_update: (message: { timestamp: string }) => void;
  active_calls_update: (message: { timestamp: string }) => void;
}

interface ToServer {
  subscribe: (message: StreamMessage) => void;
  unsubscribe: (message: StreamMessage) => void;
}

/** What the socket keeps up to date, to be read again after nothing was heard for a while. */
const TOLD = [
  keys.activeCalls,
  keys.openAlerts,
  keys.agents,
  keys.branches,
  ["transcript"],
  ["annotations"],
  ["intelligence"],
] as const;

/** Why the socket was closed, in words. */
function explain(reason: string): string {
  if (reason === "io server disconnect") return "The server closed the connection.";
  if (reason === "ping timeout") return "The server has not been heard for a while.";
  return "The connection was lost.";
}

/** The one real-time connection of the page: feeds the query cache and the meters. */
export class Connection {
  /** Streams somebody on the page wants to see. */
  readonly streams: Streams;
  readonly #socket: Socket<FromServer, ToServer>;
  readonly #client: QueryClient;
  readonly #listeners = new Set<() => void>();
  #link: LinkState = { state: "reconnecting", reason: "Connecting to the server…" };

  constructor(client: QueryClient) {
    this.#client = client;
    this.#socket = io({
      autoConnect: false,
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      reconnectionDelay: 500,
      reconnectionDelayMax: 5_000,
    });
    this.streams = new Streams((act, stream) => {
      if (this.#socket.connected) this.#socket.emit(act, { stream });
    });
    this.#hear();
  }

  /** Connects; returns what ends it. */
  open(): () => void {
    const online = () => this.#socket.connect();
    const offline = () => this.#show("offline", "This computer is offline.");
    window.addEventListener("online", online);
    window.addEventListener("offline", offline);
    this.#socket.connect();
    return () => {
      window.removeEventListener("online", online);
      window.removeEventListener("offline", offline);
      this.#socket.disconnect();
    };
  }

  /** The light. */
  link = (): LinkState => this.#link;

  /** Calls `listener` whenever the light changes. */
  onLink = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #show(state: LinkState["state"], reason: string): void {
    this.#link = { state, reason };
    for (const listener of this.#listeners) listener();
  }

  #hear(): void {
    const socket = this.#socket;
    const patches = patchesOf(this.#client);
    socket.on("connect", () => {
      this.#show("live", "Live: changes show at once.");
      forgetServerTime();
      this.streams.announceAll();
      // subscribed first, then the snapshots: nothing falls between the two
      for (const queryKey of TOLD) void this.#client.invalidateQueries({ queryKey });
    });
    socket.on("disconnect", (reason) => this.#lost(reason));
    socket.on("connect_error", (error) => this.#refused(error));
    socket.on("initial_state", ({ timestamp }) => learnServerTime(timestamp));
    socket.on("metrics_update", ({ timestamp }) => learnServerTime(timestamp));
    socket.on("active_calls_update", ({ timestamp }) => learnServerTime(timestamp));
    socket.on("call-upsert", (call) => patches.upsert(call));
    socket.on("call_event", ({ call, timestamp }) => {
      learnServerTime(timestamp);
      patches.upsert(call);
      if (call.status === "ended") offers.ended(call.id);
    });
    socket.on("control-change", (change) => {
      patches.control(change.callId, change.control);
      offers.control(change);
    });
    socket.on("transfer-update", (update) => {
      patches.transfer(update.callId, update.transfer);
      offers.take(update);
    });
    socket.on("levels", (message) => levels.take(message, performance.now()));
    socket.on("transcript-update", (update) => {
      lastLines.take(update);
      patchTranscript(this.#client, update);
    });
    socket.on("annotation-upsert", (annotation) => patchAnnotation(this.#client, annotation));
    socket.on("status_update", (agent) => patchAgent(this.#client, agent));
    socket.on("branch_pulse", (pulse) => patchPulse(this.#client, pulse));
    socket.on("alert", (alert) => patchAlert(this.#client, alert));
    socket.on("live-update", (update) => patchIntelligence(this.#client, update));
  }

  #lost(reason: string): void {
    const offline = !navigator.onLine;
    if (reason === "io client disconnect") return;
    this.#show(offline ? "offline" : "reconnecting", `${explain(reason)} Trying again…`);
    if (reason === "io server disconnect") {
      // the library leaves it at that; a revoked session shows in the next request
      void this.#client.invalidateQueries({ queryKey: keys.me });
      setTimeout(() => {
        if (this.#client.getQueryData(keys.me) !== null) this.#socket.connect();
      }, 1_000);
    }
  }

  #refused(error: Error): void {
    if (!navigator.onLine) return this.#show("offline", "This computer is offline.");
    if (!this.#socket.active) {
      // refused by the server and not by the network: is the session still good?
      this.#show("offline", `The server refused the connection: ${error.message}`);
      void this.#client.invalidateQueries({ queryKey: keys.me });
      return;
    }
    this.#show("reconnecting", "The server cannot be reached. Trying again…");
  }
}
