// From the API's series to what a chart draws. Unknown stays unknown: a hole, never a 0.
import type { HourItem, NowItem } from "../api/types";
import { daysLater, type Instant } from "../time/zones";

/** An instant and a number; null is a hole in the line. */
export type Point = [at: Instant, value: number | null];

/** Which of an item's numbers: all devices, or those of one carrier. */
export type Pick = (item: {
  devices?: number | null;
  carriers: Record<string, number>;
}) => number | null;

export const allDevices: Pick = (item) => item.devices ?? null;

/** A carrier that is not named had none; but where nothing is known, neither is that. */
export function devicesOf(carrier: string): Pick {
  return (item) =>
    item.devices === null || item.devices === undefined ? null : (item.carriers[carrier] ?? 0);
}

/** The steps of a minutely series, with a hole for each that is not there. */
export function minutePoints(
  items: readonly NowItem[],
  stepMs: number,
  pick: Pick = allDevices,
): Point[] {
  const points: Point[] = [];
  for (const item of items) {
    const at = Date.parse(item.at);
    const last = points.at(-1);
    if (last !== undefined && at - last[0] > stepMs * 1.5) points.push([last[0] + stepMs, null]);
    points.push([at, pick(item)]);
  }
  return points;
}

/** What is expected at an instant: its middle, and the fewest that would still be ordinary. */
export type BandPoint = [at: Instant, low: number, middle: number];

/** The expected band of a minutely series; empty while it is being learnt. */
export function bandOf(items: readonly NowItem[]): BandPoint[] {
  return items.flatMap((item): BandPoint[] => {
    const middle = item.expected ?? null;
    const low = item.expected_low ?? null;
    return middle === null || low === null ? [] : [[Date.parse(item.at), low, middle]];
  });
}

/** The sum of lines with the same steps; unknown wherever one of them is, so that no hole is a dip. */
export function sumOf(lines: readonly (readonly Point[])[]): Point[] {
  const sums = new Map<Instant, { sum: number; known: number }>();
  for (const line of lines) {
    for (const [at, value] of line) {
      const soFar = sums.get(at) ?? { sum: 0, known: 0 };
      if (value !== null) sums.set(at, { sum: soFar.sum + value, known: soFar.known + 1 });
      else sums.set(at, soFar);
    }
  }
  return [...sums]
    .sort(([a], [b]) => a - b)
    .map(([at, { sum, known }]) => [at, known === lines.length ? sum : null]);
}

/** Last week's points, moved to this week by the clock of the zone (a DST change keeps 9 at 9). */
export function aWeekLater(zone: string, points: readonly Point[]): Point[] {
  return points.map(([at, value]) => [daysLater(zone, at, 7), value]);
}

/** The points in [from, to]. */
export function within(points: readonly Point[], from: Instant, to: Instant): Point[] {
  return points.filter(([at]) => at >= from && at <= to);
}

/** At the end a count may just not be there yet; from so many steps on it is missing. */
const STEPS_TO_MISS = 3;

/** The stretches of [from, to] of which nothing is known. */
export function holesIn(
  points: readonly Point[],
  from: Instant,
  to: Instant,
  stepMs: number,
): [Instant, Instant][] {
  const holes: [Instant, Instant][] = [];
  let seen = from - stepMs;
  for (const [at, value] of points) {
    if (value === null || at < from || at > to) continue;
    if (at - seen > stepMs * 1.5) holes.push([Math.max(seen, from), at]);
    seen = at;
  }
  if (to - seen >= stepMs * STEPS_TO_MISS) holes.push([Math.max(seen, from), to]);
  return holes;
}

/** One hour, ready to draw. */
export interface Hour {
  start: Instant;
  end: Instant;
  devices: number;
  /** The count is final and exact. */
  exact: boolean;
  /** The hour is running. */
  open: boolean;
  /** It has ended and is counted in a moment: nothing is wrong. */
  closing: boolean;
  item: HourItem;
}

/** Seven days by the hour, ready to draw. */
export interface HourChart {
  hours: Hour[];
  /** Exact hours at their middle; everything else is a hole. */
  line: Point[];
  /** Hours that we could not see whole: at least so many. */
  lowerBounds: Point[];
  /** The running hour: so many until now. */
  running: Hour | null;
  /** Last week's exact hours, a week later. */
  lastWeek: Point[];
}

const CLOSING_MS = 10 * 60_000;

function hourOf(item: HourItem, now: Instant): Hour {
  const end = Date.parse(item.end);
  const unseen = (item.gap_secs ?? 0) > 0 || (item.causes ?? []).length > 0;
  return {
    start: Date.parse(item.start),
    end,
    devices: item.devices,
    exact: item.complete,
    open: item.open,
    closing: !item.open && !item.complete && !unseen && now - end < CLOSING_MS,
    item,
  };
}

function middle(hour: Hour): Instant {
  return (hour.start + hour.end) / 2;
}

function lineOf(hours: readonly Hour[]): Point[] {
  const line: Point[] = [];
  let previous: Hour | null = null;
  for (const hour of hours) {
    if (previous !== null && hour.start > previous.end) line.push([previous.end, null]);
    // An hour that is being closed is whole but for what is still on its way.
    line.push([middle(hour), hour.exact || hour.closing ? hour.devices : null]);
    previous = hour;
  }
  return line;
}

export function hourChart(
  zone: string,
  thisWeek: readonly HourItem[],
  lastWeek: readonly HourItem[],
  now: Instant,
): HourChart {
  const hours = thisWeek.map((item) => hourOf(item, now));
  const before = lastWeek.map((item) => hourOf(item, now));
  return {
    hours,
    line: lineOf(hours),
    lowerBounds: hours
      .filter((hour) => !hour.exact && !hour.open && !hour.closing)
      .map((hour): Point => [middle(hour), hour.devices]),
    running: hours.find((hour) => hour.open) ?? null,
    lastWeek: aWeekLater(zone, lineOf(before)),
  };
}

/** The hour in which an instant lies. */
export function hourAt(hours: readonly Hour[], at: Instant): Hour | null {
  return hours.find((hour) => at >= hour.start && at < hour.end) ?? null;
}

/** The number at an instant or within `reachMs` of it: the nearest; null where there is none. */
export function valueNear(points: readonly Point[], at: Instant, reachMs: number): number | null {
  let best: Point | null = null;
  for (const point of points) {
    if (Math.abs(point[0] - at) > reachMs) continue;
    if (best === null || Math.abs(point[0] - at) < Math.abs(best[0] - at)) best = point;
  }
  return best?.[1] ?? null;
}

/** What a line says, for those who do not see it. */
export interface Extremes {
  lowest: { at: Instant; value: number };
  highest: { at: Instant; value: number };
  last: { at: Instant; value: number };
}

export function extremesOf(points: readonly Point[]): Extremes | null {
  let lowest: Extremes["lowest"] | null = null;
  let highest: Extremes["highest"] | null = null;
  let last: Extremes["last"] | null = null;
  for (const [at, value] of points) {
    if (value === null) continue;
    last = { at, value };
    if (lowest === null || value < lowest.value) lowest = last;
    if (highest === null || value > highest.value) highest = last;
  }
  return lowest && highest && last ? { lowest, highest, last } : null;
}
