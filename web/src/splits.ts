// Which part of a split count is worse off than the whole.
import type { SplitItem } from "./api/types";

type Counted = Pick<SplitItem, "devices" | "last_7_days">;

/** How much smaller the reachable part of a group is than that of the whole, to be marked. */
const BEHIND_BY = 0.1;
/** In a smaller group one device is more than that. */
const SMALLEST = 10;

/**
 * How many of those heard in the last seven days are reachable now, over all groups; null where
 * unknown.
 */
export function wholeOf(items: readonly Counted[]): number | null {
  let devices = 0;
  let week = 0;
  for (const item of items) {
    if (item.devices === null || item.last_7_days === null) return null;
    devices += item.devices;
    week += item.last_7_days;
  }
  return week === 0 ? null : devices / week;
}

/** Whether a group lags behind the whole: the outage is there, and not everywhere. */
export function isBehind(item: Counted, whole: number | null): boolean {
  if (whole === null || item.devices === null || item.last_7_days === null) return false;
  if (item.last_7_days < SMALLEST) return false;
  return whole - item.devices / item.last_7_days >= BEHIND_BY;
}
