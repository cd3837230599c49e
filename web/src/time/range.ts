// Which stretch of time a page shows. It is in the address: as a length that ends now
// (`range=24h`), or as two instants (`from=…&to=…`), which is what a shared link has.
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, type Instant } from "./zones";

/** The lengths offered, each with its milliseconds. */
export const SPANS = {
  "1h": HOUR_MS,
  "3h": 3 * HOUR_MS,
  "6h": 6 * HOUR_MS,
  "24h": DAY_MS,
  "7d": 7 * DAY_MS,
  "30d": 30 * DAY_MS,
  "90d": 90 * DAY_MS,
} as const;
export type Span = keyof typeof SPANS;
export const SPAN_NAMES = Object.keys(SPANS) as Span[];

export const DEFAULT_SPAN: Span = "7d";

/** The API answers 92 days at once, and charts ask for a little more than they show. */
export const LONGEST_MS = 91 * DAY_MS;
/** Below, a chart would have a handful of points. */
export const SHORTEST_MS = 10 * MINUTE_MS;

export type RangeChoice =
  { kind: "last"; span: Span } | { kind: "fixed"; from: Instant; to: Instant };

export interface Stretch {
  from: Instant;
  to: Instant;
}

/** The choice in a query; seven days until now where it says nothing usable. */
export function parseRange(query: URLSearchParams): RangeChoice {
  const from = instantFrom(query.get("from"));
  const to = instantFrom(query.get("to"));
  if (from !== null && to !== null && isUsable({ from, to })) return { kind: "fixed", from, to };
  const span = query.get("range");
  const known = SPAN_NAMES.find((name) => name === span);
  return { kind: "last", span: known ?? DEFAULT_SPAN };
}

/** Whether a stretch can be shown: neither backwards, nor too short, nor too long to be asked for. */
export function isUsable({ from, to }: Stretch): boolean {
  return to - from >= SHORTEST_MS && to - from <= LONGEST_MS;
}

/**
 * RFC 3339 with an offset; without one nobody knows whose clock is meant. Or Unix milliseconds, which are all
 * that the links in Datadog's alerts can reckon with.
 */
function instantFrom(text: string | null): Instant | null {
  if (text === null) return null;
  if (/^\d{12,13}(?:\.0)?$/.test(text)) return Number(text);
  // In a query that was written by hand the plus of an offset has become a space.
  const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+ -]\d\d:\d\d)$/i.exec(text);
  if (parts === null) return null;
  const at = Date.parse(`${parts[1]}${parts[2]?.replace(" ", "+").toUpperCase()}`);
  return Number.isFinite(at) ? at : null;
}

/** RFC 3339 in whole seconds, UTC. */
export function instantText(at: Instant): string {
  return new Date(Math.floor(at / SECOND_MS) * SECOND_MS).toISOString().replace(".000Z", "Z");
}

/** The values of the query for a choice; null for what is left out. */
export function rangeParameters(
  choice: RangeChoice,
): Record<"range" | "from" | "to", string | null> {
  if (choice.kind === "fixed") {
    return { range: null, from: instantText(choice.from), to: instantText(choice.to) };
  }
  return { range: choice.span === DEFAULT_SPAN ? null : choice.span, from: null, to: null };
}

/** The stretch that a choice means at an instant. */
export function stretchOf(choice: RangeChoice, now: Instant): Stretch {
  if (choice.kind === "fixed") return { from: choice.from, to: choice.to };
  return { from: now - SPANS[choice.span], to: now };
}

/** Longer stretches are shown by the hour only. */
const BY_MINUTE_UP_TO_MS = 2 * DAY_MS;
/** What is shown by the minute beside a long stretch: its last hours. */
const LAST_HOURS_MS = 3 * HOUR_MS;
/** What is shown by the hour beside a short stretch: the days before its end. */
const DAYS_MS = 7 * DAY_MS;
/** From here on a point a minute is more than a screen has room for. */
const EVERY_MINUTE_UP_TO_MS = DAY_MS;

/** How long each of a country's two charts is. */
export interface Lengths {
  minutesMs: number;
  /** Minutes from one point to the next in the minutely chart. */
  stepMinutes: number;
  hoursMs: number;
}

/** The lengths of the charts for a stretch: one of them shows it, the other goes along. */
export function lengthsOf({ from, to }: Stretch): Lengths {
  const length = to - from;
  const minutesMs = length <= BY_MINUTE_UP_TO_MS ? length : LAST_HOURS_MS;
  return {
    minutesMs,
    stepMinutes: minutesMs <= EVERY_MINUTE_UP_TO_MS ? 1 : 5,
    hoursMs: length <= BY_MINUTE_UP_TO_MS ? DAYS_MS : length,
  };
}
