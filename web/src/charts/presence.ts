// In which hours a device was heard, as a table: a row per day, a cell per hour of the clock.
import type { PresenceItem } from "../api/types";
import { HOUR_MS, instantOf, wallTime, type Instant } from "../time/zones";

export type PresenceState = "heard" | "not_heard" | "future";

export interface PresenceCell {
  start: Instant;
  state: PresenceState;
  /** Where it was heard; empty where it was not. */
  heard: readonly PresenceItem[];
}

export interface PresenceDay {
  /** Its midnight. */
  start: Instant;
  /** 24 of them; null for an hour that the clock skipped. */
  cells: (PresenceCell | null)[];
}

const HOURS = 24;

/** The days until now by the zone's clock, the oldest first. */
export function presenceDays(
  zone: string,
  items: readonly PresenceItem[],
  now: Instant,
  days: number,
): PresenceDay[] {
  const heard = items.map((item) => ({
    from: Date.parse(item.start),
    to: Date.parse(item.end),
    item,
  }));
  const today = wallTime(zone, now);
  return Array.from({ length: days }, (_, row) => {
    const day = today.day - (days - 1 - row);
    const start = instantOf(zone, today.year, today.month, day);
    const cells = Array.from({ length: HOURS }, (_, hour): PresenceCell | null => {
      const at = instantOf(zone, today.year, today.month, day, hour);
      if (wallTime(zone, at).hour !== hour) return null;
      if (at > now) return { start: at, state: "future", heard: [] };
      // Hours of another country may begin half an hour off.
      const middle = at + HOUR_MS / 2;
      const found = heard.filter((one) => one.from <= middle && middle < one.to);
      return {
        start: at,
        state: found.length > 0 ? "heard" : "not_heard",
        heard: found.map((one) => one.item),
      };
    });
    return { start, cells };
  });
}
