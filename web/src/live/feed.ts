// A live resource: something that is shown and kept up to date. What keeps it up to date is a
// feed. Every feed asks the API; when it asks is a matter of time alone, or also of what the
// server's events say (stream.ts).

/** What a feed tells. */
export type FeedEvent<T> =
  { type: "data"; data: T; at: number } | { type: "error"; error: unknown; at: number };

export interface FeedHandle {
  /** Asks at once. */
  refresh(): void;
  /** Ends it; what is on its way is given up. */
  close(): void;
}

export interface Feed<T> {
  open(listener: (event: FeedEvent<T>) => void): FeedHandle;
}

/** What is known of a live resource. */
export interface Snapshot<T> {
  /** The newest data, kept while newer ones cannot be had. */
  readonly data: T | null;
  /** When `data` came, by this computer's clock. */
  readonly receivedAt: number | null;
  /** Why the last attempt failed; null when it did not. */
  readonly error: unknown;
  /** How many attempts in a row have failed. */
  readonly failures: number;
}

export const NOTHING_YET: Snapshot<never> = {
  data: null,
  receivedAt: null,
  error: null,
  failures: 0,
};

/** The state machine of a live resource. */
export function reduce<T>(snapshot: Snapshot<T>, event: FeedEvent<T>): Snapshot<T> {
  switch (event.type) {
    case "data":
      return { data: event.data, receivedAt: event.at, error: null, failures: 0 };
    case "error":
      return { ...snapshot, error: event.error, failures: snapshot.failures + 1 };
  }
}

/** One failure may be a proxy that restarts; from two in a row on, the reader is told. */
const FAILURES_TO_TELL = 2;

export type Phase = "loading" | "fresh" | "stale" | "failed";

/** What to show: a skeleton, the data, old data with a warning, or the failure alone. */
export function phaseOf(snapshot: Snapshot<unknown>): Phase {
  if (snapshot.data === null) return snapshot.error === null ? "loading" : "failed";
  return snapshot.failures >= FAILURES_TO_TELL ? "stale" : "fresh";
}

/** The browser as far as a feed needs it; tests bring their own. */
export interface Surroundings {
  now(): number;
  random(): number;
  setTimeout(run: () => void, ms: number): number;
  clearTimeout(id: number): void;
  visible(): boolean;
  /** Calls back when the page is shown or hidden, or the network comes back. */
  onWake(run: () => void): () => void;
}

export const browser: Surroundings = {
  now: () => Date.now(),
  random: () => Math.random(),
  setTimeout: (run, ms) => window.setTimeout(run, ms),
  clearTimeout: (id) => window.clearTimeout(id),
  visible: () => document.visibilityState === "visible",
  onWake(run) {
    document.addEventListener("visibilitychange", run);
    window.addEventListener("online", run);
    return () => {
      document.removeEventListener("visibilitychange", run);
      window.removeEventListener("online", run);
    };
  },
};

const BACKOFF_FIRST_MS = 1_000;
export const BACKOFF_MAX_MS = 15_000;
/** How much of the wait is chance, so that a thousand pages do not come back as one. */
const BACKOFF_CHANCE = 0.3;

/** How long to wait after the nth failure in a row. */
export function backoffMs(failures: number, random: number): number {
  const full = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.max(0, failures - 1));
  return Math.round(full * (1 - BACKOFF_CHANCE * random));
}

export interface PollingOptions<T> {
  load: (signal: AbortSignal) => Promise<T>;
  /** Milliseconds from an answer, which came at `now`, to the next question. */
  every: (now: number) => number;
  /** Is given what asks at once, for whoever knows that there is something new; returns what ends it. */
  nudge?: (ask: () => void) => () => void;
}

/** A feed that asks again and again: not while the page is hidden, slower while it fails. */
export function polling<T>(options: PollingOptions<T>, around: Surroundings = browser): Feed<T> {
  return {
    open(listener) {
      let timer: number | null = null;
      let flight: AbortController | null = null;
      let failures = 0;
      let closed = false;

      function plan(ms: number) {
        if (timer !== null) around.clearTimeout(timer);
        timer = null;
        // Hidden: nobody looks. The wake-up asks at once.
        if (closed || !around.visible()) return;
        timer = around.setTimeout(() => {
          timer = null;
          void ask();
        }, ms);
      }

      async function ask() {
        if (closed || flight !== null) return;
        const mine = new AbortController();
        flight = mine;
        try {
          const data = await options.load(mine.signal);
          if (closed) return;
          failures = 0;
          listener({ type: "data", data, at: around.now() });
        } catch (error) {
          if (closed) return;
          failures += 1;
          listener({ type: "error", error, at: around.now() });
        }
        flight = null;
        plan(failures > 0 ? backoffMs(failures, around.random()) : options.every(around.now()));
      }

      function refresh() {
        if (timer !== null) around.clearTimeout(timer);
        timer = null;
        void ask();
      }

      const forgetWake = around.onWake(() => {
        if (around.visible()) refresh();
        else if (timer !== null) {
          around.clearTimeout(timer);
          timer = null;
        }
      });
      void ask();
      // What nobody sees is not asked for.
      const forgetNudge = options.nudge?.(() => around.visible() && refresh());

      return {
        refresh,
        close() {
          closed = true;
          forgetWake();
          forgetNudge?.();
          if (timer !== null) around.clearTimeout(timer);
          flight?.abort();
        },
      };
    },
  };
}

const MINUTE_MS = 60_000;
/** A minute's count is there this long after the minute has ended. */
const MINUTE_SETTLES_MS = 1_500;

/** Every `ms`, and right after each change of the minute. */
export function everyAndAtMinutes(ms: number): (now: number) => number {
  return (now) => {
    const settled = MINUTE_MS - ((now - MINUTE_SETTLES_MS) % MINUTE_MS);
    return Math.min(ms, settled);
  };
}
