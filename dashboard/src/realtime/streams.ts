/** A stream that scrolled out of sight is kept this long: it often comes back. */
const LINGER_MS = 2_000;

type Act = "subscribe" | "unsubscribe";

/** Which streams are wanted, counted: subscribed once, however many ask. */
export class Streams {
  readonly #wanted = new Map<string, number>();
  readonly #lingering = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #send: (act: Act, stream: string) => void;

  constructor(send: (act: Act, stream: string) => void) {
    this.#send = send;
  }

  /** Subscribes a stream until the returned function is called. */
  want(stream: string): () => void {
    const count = this.#wanted.get(stream) ?? 0;
    this.#wanted.set(stream, count + 1);
    if (count === 0 && !this.#keep(stream)) this.#send("subscribe", stream);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.#release(stream);
    };
  }

  /** Subscribes everything again, after the connection was lost. */
  announceAll(): void {
    for (const timer of this.#lingering.values()) clearTimeout(timer);
    this.#lingering.clear();
    for (const stream of this.#wanted.keys()) this.#send("subscribe", stream);
  }

  /** Whether the stream was still subscribed from before. */
  #keep(stream: string): boolean {
    const timer = this.#lingering.get(stream);
    if (timer === undefined) return false;
    clearTimeout(timer);
    this.#lingering.delete(stream);
    return true;
  }

  #release(stream: string): void {
    const count = (this.#wanted.get(stream) ?? 1) - 1;
    if (count > 0) {
      this.#wanted.set(stream, count);
      return;
    }
    this.#wanted.delete(stream);
    const leave = () => {
      this.#lingering.delete(stream);
      this.#send("unsubscribe", stream);
    };
    this.#lingering.set(stream, setTimeout(leave, LINGER_MS));
  }
}
