// Time zones without a library: the browser's own tables, asked for offsets only. Everything
// else is arithmetic, so that one instant reads the same in charts, labels and tests.

/** Milliseconds since the Unix epoch. */
export type Instant = number;

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

/** What a wall clock shows. */
export interface WallTime {
  year: number;
  /** 1 to 12. */
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  /** 0 is Sunday. */
  weekday: number;
}

const offsetFormats = new Map<string, Intl.DateTimeFormat>();

function offsetFormat(zone: string): Intl.DateTimeFormat {
  let format = offsetFormats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" });
    offsetFormats.set(zone, format);
  }
  return format;
}

/** Whether the browser knows the zone. */
export function isZone(zone: string): boolean {
  try {
    offsetFormat(zone);
    return true;
  } catch {
    return false;
  }
}

// Every offset in use changes at a quarter of an hour only, so a quarter has one offset.
const QUARTER_MS = 15 * MINUTE_MS;
const OFFSETS_KEPT = 20_000;
const offsets = new Map<string, number>();

/** How far the zone's clock is ahead of UTC, in minutes. */
export function offsetMinutes(zone: string, at: Instant): number {
  const key = `${zone}/${Math.floor(at / QUARTER_MS)}`;
  const known = offsets.get(key);
  if (known !== undefined) return known;
  const name =
    offsetFormat(zone)
      .formatToParts(at)
      .find((part) => part.type === "timeZoneName")?.value ?? "GMT";
  const parsed = /GMT(?:([+\u2212-])(\d{1,2}):?(\d{2})?)?/.exec(name);
  const sign = parsed?.[1] === undefined || parsed[1] === "+" ? 1 : -1;
  const minutes = sign * (Number(parsed?.[2] ?? 0) * 60 + Number(parsed?.[3] ?? 0));
  if (offsets.size >= OFFSETS_KEPT) offsets.clear();
  offsets.set(key, minutes);
  return minutes;
}

/** "UTC+8", "UTC+5:30", "UTC−3:30", "UTC". */
export function offsetLabel(minutes: number): string {
  if (minutes === 0) return "UTC";
  const size = Math.abs(minutes);
  const rest = size % 60;
  const sign = minutes < 0 ? "−" : "+";
  return `UTC${sign}${Math.floor(size / 60)}${rest === 0 ? "" : `:${String(rest).padStart(2, "0")}`}`;
}

/** What the zone's clock shows at an instant. */
export function wallTime(zone: string, at: Instant): WallTime {
  const shifted = new Date(at + offsetMinutes(zone, at) * MINUTE_MS);
  return {
    year: shifted.getUTCFullYear(),
    month: shifted.getUTCMonth() + 1,
    day: shifted.getUTCDate(),
    hour: shifted.getUTCHours(),
    minute: shifted.getUTCMinutes(),
    second: shifted.getUTCSeconds(),
    weekday: shifted.getUTCDay(),
  };
}

/**
 * The instant at which the zone's clock shows a time. Where it shows it twice, the first; where
 * it skips it, the instant as much later as the clock jumps. Days beyond the month's end count on.
 */
export function instantOf(
  zone: string,
  year: number,
  month: number,
  day: number,
  hour = 0,
  minute = 0,
): Instant {
  const asUtc = Date.UTC(year, month - 1, day, hour, minute);
  const before = offsetMinutes(zone, asUtc - DAY_MS);
  const after = offsetMinutes(zone, asUtc + DAY_MS);
  const candidates = [asUtc - before * MINUTE_MS, asUtc - after * MINUTE_MS];
  const exact = candidates.filter((at) => at + offsetMinutes(zone, at) * MINUTE_MS === asUtc);
  return exact.length > 0 ? Math.min(...exact) : asUtc - before * MINUTE_MS;
}

/** The same time by the zone's clock, some days later (or earlier). */
export function daysLater(zone: string, at: Instant, days: number): Instant {
  const wall = wallTime(zone, at);
  const same = instantOf(zone, wall.year, wall.month, wall.day + days, wall.hour, wall.minute);
  return same + (at % MINUTE_MS);
}

/** The start of the hour of the zone's clock in which an instant lies. */
export function hourStart(zone: string, at: Instant): Instant {
  const offset = offsetMinutes(zone, at) * MINUTE_MS;
  return Math.floor((at + offset) / HOUR_MS) * HOUR_MS - offset;
}

/** Every midnight of the zone's clock in [from, to]. */
export function midnights(zone: string, from: Instant, to: Instant): Instant[] {
  const first = wallTime(zone, from);
  const found: Instant[] = [];
  for (let day = first.day; ; day++) {
    const at = instantOf(zone, first.year, first.month, day);
    if (at > to) return found;
    if (at >= from) found.push(at);
  }
}

/** Every instant in [from, to] at which the zone's clock shows a multiple of `stepMinutes`. */
export function wallTicks(
  zone: string,
  from: Instant,
  to: Instant,
  stepMinutes: number,
): Instant[] {
  const found: Instant[] = [];
  for (let at = Math.ceil(from / QUARTER_MS) * QUARTER_MS; at <= to; at += QUARTER_MS) {
    const wall = wallTime(zone, at);
    if ((wall.hour * 60 + wall.minute) % stepMinutes === 0) found.push(at);
  }
  return found;
}

/** The night, when few drive and numbers fall by themselves, by the country's own clock. */
export const NIGHT_FROM_HOUR = 22;
export const NIGHT_TO_HOUR = 6;

/** The nights that touch [from, to], cut to it. */
export function nights(zone: string, from: Instant, to: Instant): [Instant, Instant][] {
  const first = wallTime(zone, from);
  const found: [Instant, Instant][] = [];
  // The night of the day before may reach into the first day.
  for (let day = first.day - 1; ; day++) {
    const dusk = instantOf(zone, first.year, first.month, day, NIGHT_FROM_HOUR);
    if (dusk >= to) return found;
    const dawn = instantOf(zone, first.year, first.month, day + 1, NIGHT_TO_HOUR);
    if (dawn > from) found.push([Math.max(dusk, from), Math.min(dawn, to)]);
  }
}
