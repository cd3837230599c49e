// The hours of a week as a table: seven weekdays by twenty-four hours.
import type { HeatItem } from "../api/types";

export interface HeatCell {
  item: HeatItem;
  /** From 0, the lowest of the week, to 1, the highest. */
  heat: number;
}

/** One weekday; 1 is Monday. Null: that hour was never complete. */
export interface HeatRow {
  weekday: number;
  cells: (HeatCell | null)[];
}

export interface Heat {
  rows: HeatRow[];
  lowest: HeatItem | null;
  highest: HeatItem | null;
}

const WEEKDAYS = 7;
const HOURS = 24;

export function heatOf(items: readonly HeatItem[]): Heat {
  const sorted = [...items].sort((a, b) => a.devices - b.devices);
  const lowest = sorted[0] ?? null;
  const highest = sorted.at(-1) ?? null;
  const low = lowest?.devices ?? 0;
  const range = (highest?.devices ?? 0) - low;
  const places = new Map(items.map((item) => [item.weekday * HOURS + item.hour, item]));
  const rows = Array.from({ length: WEEKDAYS }, (_, day) => ({
    weekday: day + 1,
    cells: Array.from({ length: HOURS }, (_, hour) => {
      const item = places.get((day + 1) * HOURS + hour);
      if (item === undefined) return null;
      return { item, heat: range === 0 ? 1 : (item.devices - low) / range };
    }),
  }));
  return { rows, lowest, highest };
}
