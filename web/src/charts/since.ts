// Since when a number has been below last week's.
import { DROP_TO_NOTE } from "../countries";
import { valueNear, type Point } from "./data";
import { MINUTE_MS, type Instant } from "../time/zones";

export interface Since {
  at: Instant;
  /** It was so already where the series begins. */
  before: boolean;
}

/** A gap or a single better minute does not begin the story anew. */
const FORGIVEN_MINUTES = 3;

/**
 * Since when a series has been at least a tenth below last week's without a break, seen from its
 * end; null when it is not so at its end. Minutes of which one side is unknown say nothing.
 */
export function belowSince(points: readonly Point[], lastWeek: readonly Point[]): Since | null {
  const before = new Map(lastWeek);
  let since: Since | null = null;
  let better = 0;
  let reachedStart = true;
  for (let index = points.length - 1; index >= 0; index--) {
    const [at, value] = points[index] ?? [0, null];
    const week = before.get(at) ?? valueNear(lastWeek, at, MINUTE_MS);
    if (value === null || week === null || week <= 0) continue;
    if ((value - week) / week <= DROP_TO_NOTE) {
      since = { at, before: false };
      better = 0;
      continue;
    }
    better += 1;
    if (since === null || better > FORGIVEN_MINUTES) {
      reachedStart = false;
      break;
    }
  }
  return since === null ? null : { ...since, before: reachedStart && better === 0 };
}
