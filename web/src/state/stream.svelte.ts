// The server's events, as pages use them.
import { polling, type Feed } from "../live/feed";
import { createStream, eventSource, type StreamEvent } from "../live/stream";
import { MINUTE_MS } from "../time/zones";

const stream = createStream(eventSource("/api/v1/stream"));

let live = $state(false);

/** Listens as long as the page is open; returns what ends it. */
export function followStream(): () => void {
  const look = () => (live = stream.isLive());
  const stop = stream.listen(look);
  // A feed may have listened before.
  look();
  return () => {
    stop();
    live = false;
  };
}

export const news = {
  /** Whether the server tells us what changes. */
  get live(): boolean {
    return live;
  },
};

/** Even when nothing is told, a question now and then: a proxy may swallow what is said. */
const WHILE_TOLD_MS = 2 * MINUTE_MS;

/** A thousand pages hear the same event; they do not ask in the same moment. */
const SPREAD_MS = 1_500;

export interface ToldOptions<T> {
  load: (signal: AbortSignal) => Promise<T>;
  /** Milliseconds to the next question while nothing is told. */
  every: (now: number) => number;
  /** Which events are a reason to ask. */
  when: (event: StreamEvent) => boolean;
}

/** A feed that asks when the server says that there is something new, and polls while it does not. */
export function told<T>(options: ToldOptions<T>): Feed<T> {
  const { load, every, when } = options;
  return polling({
    load,
    every: (now) => (stream.isLive() ? WHILE_TOLD_MS : every(now)),
    nudge(ask) {
      let waiting: ReturnType<typeof setTimeout> | undefined;
      const stop = stream.listen((event) => {
        if (event.type !== "state" && !when(event)) return;
        clearTimeout(waiting);
        waiting = setTimeout(ask, Math.random() * SPREAD_MS);
      });
      return () => {
        clearTimeout(waiting);
        stop();
      };
    },
  });
}
