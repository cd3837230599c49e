import type { Point } from "./data";

/** The smallest part of the whole that a sparkline shows: flicker stays small. */
const NARROWEST = 0.4;
/** What is older than this part of the whole is not "now". */
const RECENT = 1 / 48;

/** A small line in a box, and where it ends. */
export interface Spark {
  /** An SVG path; holes are jumps. */
  path: string;
  /** Where it is now; null where that is not known. */
  end: { x: number; y: number } | null;
}

/**
 * The line of points over [from, to] in a box of `width` by `height`. The top is the largest
 * value; the bottom is at least four tenths lower, so a flat line looks flat.
 */
export function sparkOf(
  points: readonly Point[],
  from: number,
  to: number,
  width: number,
  height: number,
): Spark {
  const values = points.flatMap(([, value]) => (value === null ? [] : [value]));
  if (values.length === 0 || to <= from) return { path: "", end: null };
  const top = Math.max(...values, 1);
  const bottom = Math.max(0, Math.min(Math.min(...values), top * (1 - NARROWEST)));
  const recent = to - (to - from) * RECENT;
  const x = (at: number) => round(((at - from) / (to - from)) * width);
  const y = (value: number) => round(height - ((value - bottom) / (top - bottom)) * height);
  let path = "";
  let inLine = false;
  let end: Spark["end"] = null;
  for (const [at, value] of points) {
    if (value === null) {
      inLine = false;
      end = null;
      continue;
    }
    const here = { x: x(at), y: y(value) };
    end = at >= recent ? here : null;
    // A line of no length, with round ends, is a dot: a lonely point stays visible.
    path += inLine ? `L${here.x} ${here.y}` : `M${here.x} ${here.y}h0`;
    inLine = true;
  }
  return { path, end };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
