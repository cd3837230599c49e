/** The vertical axis of a chart. */
export interface Scale {
  min: number;
  max: number;
  step: number;
}

const STEPS = [1, 2, 2.5, 5, 10];
/** About so many lines across. */
const LINES = 4;
/** The narrowest part of the whole that a chart may show. */
const NARROWEST = 0.3;

function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  const step = STEPS.find((candidate) => candidate * power >= rough) ?? 10;
  // Devices are whole.
  return Math.max(1, Math.ceil(step * power));
}

/** From 0 to above the largest. */
export function scaleFromZero(values: readonly number[]): Scale {
  const top = Math.max(4, ...values);
  const step = roundStep(top / LINES);
  return { min: 0, max: Math.ceil((top * 1.02) / step) * step, step };
}

/**
 * The scale of the last hours.
 *
 * From 0 a loss of 8 % is a scratch, and the dip is what people come for; but an axis that
 * follows the data closely makes every flicker a catastrophe. So: from 0 when what happened
 * fills a good part of the height anyway. Otherwise the axis is cut, never to less than three
 * tenths of the whole (a loss of 10 % then takes a third of the height, the usual flicker of
 * 1 % stays a flicker), the cut is said in words below the chart, and the line has no filled
 * area, since an area's height would lie.
 */
export function scaleForDips(values: readonly number[]): Scale {
  if (values.length === 0) return scaleFromZero(values);
  const lowest = Math.min(...values);
  const highest = Math.max(...values);
  const shown = Math.max((highest - lowest) * 1.25, highest * NARROWEST);
  // Small fleets: 3 of 20 is honest from 0.
  if (highest < 40 || shown >= highest * 0.6) return scaleFromZero(values);
  const step = roundStep(shown / LINES);
  const max = Math.ceil((highest + (highest - lowest) * 0.08) / step) * step;
  const min = Math.max(0, Math.floor(Math.min(lowest, highest - shown * 0.9) / step) * step);
  return { min, max, step };
}
