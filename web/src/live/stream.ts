// The server's own voice: it says when a minute was counted and when an hour was closed. One
// connection for the whole page, only while somebody listens and the page is seen. Whoever listens
// asks at the right moment instead of again and again; while the stream is away, feeds poll as ever.
import { backoffMs, browser, type Surroundings } from "./feed";

/** What the server says. */
export type StreamEvent =
  /** The counts of a minute are there. */
  | { type: "counts" }
  /** An hour of a country was closed, or counted again. */
  | { type: "hour"; country: string };

export type StreamListener = (event: StreamEvent | { type: "state" }) => void;

export interface EventStream {
  /** Whether what changes is told. */
  isLive(): boolean;
  /** Hears events, and when the stream comes or goes; returns what ends it. */
  listen(listener: StreamListener): () => void;
}

/** A connection; tests bring their own. */
export interface Connection {
  close(): void;
}
export type Connect = (
  onEvent: (event: StreamEvent) => void,
  /** It has ended, or never was. */
  onEnd: () => void,
) => Connection;

/** Counts come once a minute: after so long without anything nobody is there. */
export const SILENCE_MS = 90_000;

export function createStream(connect: Connect, around: Surroundings = browser): EventStream {
  const listeners = new Set<StreamListener>();
  let connection: Connection | null = null;
  let timer: number | null = null;
  let failures = 0;
  let live = false;
  let forgetWake: (() => void) | null = null;

  function tell(event: StreamEvent | { type: "state" }) {
    for (const listener of [...listeners]) listener(event);
  }
  function setLive(now: boolean) {
    if (live === now) return;
    live = now;
    tell({ type: "state" });
  }
  function wait(ms: number, run: () => void) {
    if (timer !== null) around.clearTimeout(timer);
    timer = around.setTimeout(() => {
      timer = null;
      run();
    }, ms);
  }
  function hangUp() {
    if (timer !== null) around.clearTimeout(timer);
    timer = null;
    connection?.close();
    connection = null;
    setLive(false);
  }
  function callAgain() {
    hangUp();
    failures += 1;
    wait(backoffMs(failures, around.random()), call);
  }
  function call() {
    if (connection !== null || listeners.size === 0 || !around.visible()) return;
    // Before the connection says anything, the one that is asked for is the one that counts.
    const made = connect(
      (event) => {
        if (connection !== made) return;
        failures = 0;
        wait(SILENCE_MS, callAgain);
        setLive(true);
        tell(event);
      },
      () => {
        if (connection === made) callAgain();
      },
    );
    connection = made;
    wait(SILENCE_MS, callAgain);
  }

  return {
    isLive: () => live,
    listen(listener) {
      listeners.add(listener);
      forgetWake ??= around.onWake(() => (around.visible() ? call() : hangUp()));
      call();
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        hangUp();
        forgetWake?.();
        forgetWake = null;
      };
    },
  };
}

/** The stream of the API, by the browser's own client for it. */
export function eventSource(path: string): Connect {
  return (onEvent, onEnd) => {
    const source = new EventSource(path);
    source.addEventListener("counts", () => onEvent({ type: "counts" }));
    source.addEventListener("hour", (event) => {
      const country = countryOf(event.data);
      if (country !== null) onEvent({ type: "hour", country });
    });
    // We come back by ourselves: the browser gives up for good after an answer that is no stream.
    source.addEventListener("error", onEnd);
    return source;
  };
}

function countryOf(data: unknown): string | null {
  try {
    const { country } = JSON.parse(String(data)) as { country?: unknown };
    return typeof country === "string" ? country : null;
  } catch {
    return null;
  }
}
