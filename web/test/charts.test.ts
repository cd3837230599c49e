import { describe, expect, test } from "vitest";
import type { HourItem, NowItem } from "../src/api/types";
import {
  aWeekLater,
  devicesOf,
  extremesOf,
  holesIn,
  hourAt,
  hourChart,
  minutePoints,
  valueNear,
  type Point,
} from "../src/charts/data";
import { scaleForDips, scaleFromZero } from "../src/charts/scale";
import { belowSince } from "../src/charts/since";
import { sparkOf } from "../src/charts/sparkline";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../src/time/zones";

const T = Date.parse("2026-11-21T02:00:00Z");

function minute(n: number, devices: number | null, carriers: Record<string, number> = {}): NowItem {
  return { at: new Date(T + n * MINUTE_MS).toISOString(), devices, carriers };
}

function hour(n: number, devices: number, more: Partial<HourItem> = {}): HourItem {
  return {
    start: new Date(T + n * HOUR_MS).toISOString(),
    end: new Date(T + (n + 1) * HOUR_MS).toISOString(),
    devices,
    carriers: {},
    complete: true,
    revision: 1,
    open: false,
    imported: false,
    ...more,
  };
}

const values = (points: readonly Point[]) => points.map(([, value]) => value);

describe("minutes", () => {
  test("null stays a hole and 0 stays 0", () => {
    const points = minutePoints([minute(0, 5), minute(1, null), minute(2, 0)], MINUTE_MS);
    expect(values(points)).toEqual([5, null, 0]);
  });

  test("minutes that are not there are a hole", () => {
    const points = minutePoints([minute(0, 5), minute(9, 6)], MINUTE_MS);
    expect(points).toEqual([
      [T, 5],
      [T + MINUTE_MS, null],
      [T + 9 * MINUTE_MS, 6],
    ]);
  });

  test("a carrier that is not named had none, unless nothing is known", () => {
    const items = [minute(0, 5, { globe: 3 }), minute(1, 5), minute(2, null)];
    expect(values(minutePoints(items, MINUTE_MS, devicesOf("globe")))).toEqual([3, 0, null]);
  });
});

describe("holes", () => {
  const points = (...numbers: (number | null)[]): Point[] => numbers.map((n, at) => [at, n]);

  test("reach from the last known to the next known", () => {
    expect(holesIn(points(1, null, null, 4, 5), 0, 4, 1)).toEqual([[0, 3]]);
    expect(holesIn(points(null, null, 3), 0, 2, 1)).toEqual([[0, 2]]);
    expect(holesIn([], 0, 9, 1)).toEqual([[0, 9]]);
  });

  test("a count that is not there yet is none", () => {
    expect(holesIn(points(1, 2, 3), 0, 4, 1)).toEqual([]);
    expect(holesIn(points(1, 2, 3), 0, 5, 1)).toEqual([[2, 5]]);
  });
});

describe("hours", () => {
  const now = T + 3.5 * HOUR_MS;

  test("only exact hours are in the line, each at its middle", () => {
    const chart = hourChart(
      "Asia/Manila",
      [
        hour(0, 10),
        hour(1, 4, { complete: false, gap_secs: 900, causes: ["broker_away"] }),
        hour(2, 11),
        hour(3, 6, { complete: false, open: true, revision: 0 }),
      ],
      [],
      now,
    );
    expect(values(chart.line)).toEqual([10, null, 11, null]);
    expect(chart.line[0]?.[0]).toBe(T + HOUR_MS / 2);
    expect(chart.lowerBounds).toEqual([[T + 1.5 * HOUR_MS, 4]]);
    expect(chart.running?.devices).toBe(6);
    expect(hourAt(chart.hours, T + 1.2 * HOUR_MS)?.devices).toBe(4);
    expect(hourAt(chart.hours, T + 9 * HOUR_MS)).toBeNull();
  });

  test("an hour that has just ended is no lower bound", () => {
    const closing = hour(2, 11, { complete: false, revision: 0 });
    const chart = hourChart("Asia/Manila", [closing], [], T + 3 * HOUR_MS + MINUTE_MS);
    expect(values(chart.line)).toEqual([11]);
    expect(chart.lowerBounds).toEqual([]);
    const overdue = hourChart("Asia/Manila", [closing], [], T + 4 * HOUR_MS);
    expect(values(overdue.line)).toEqual([null]);
    expect(values(overdue.lowerBounds)).toEqual([11]);
  });

  test("hours that are not there are a hole", () => {
    const chart = hourChart("Asia/Manila", [hour(0, 10), hour(2, 11)], [], now);
    expect(values(chart.line)).toEqual([10, null, 11]);
  });

  test("last week is laid over this one by the country's clock", () => {
    const chart = hourChart("Asia/Manila", [hour(0, 10)], [hour(-168, 9)], now);
    expect(chart.lastWeek).toEqual([[T + HOUR_MS / 2, 9]]);
    // Berlin's week of 169 hours: what was at 9 is at 9.
    const before = Date.parse("2026-10-20T07:00:00Z");
    expect(aWeekLater("Europe/Berlin", [[before, 1]])).toEqual([[before + 169 * HOUR_MS, 1]]);
  });
});

describe("what a line says", () => {
  test("lowest, highest, last", () => {
    const extremes = extremesOf([
      [1, 5],
      [2, 2],
      [3, null],
      [4, 9],
      [5, null],
    ]);
    expect(extremes).toEqual({
      lowest: { at: 2, value: 2 },
      highest: { at: 4, value: 9 },
      last: { at: 4, value: 9 },
    });
    expect(extremesOf([[1, null]])).toBeNull();
  });

  test("the nearest value within reach", () => {
    const points: Point[] = [
      [10, 1],
      [20, null],
      [30, 3],
    ];
    expect(valueNear(points, 13, 5)).toBe(1);
    expect(valueNear(points, 21, 5)).toBeNull();
    expect(valueNear(points, 99, 5)).toBeNull();
  });
});

describe("since when it is below last week", () => {
  const line = (numbers: (number | null)[]): Point[] =>
    numbers.map((value, n) => [T + n * MINUTE_MS, value]);
  const hundred = line(Array.from({ length: 12 }, () => 100));

  test("the first minute of the unbroken stretch", () => {
    const points = line([100, 80, 100, 100, 100, 100, 85, 80, 70, 70, 70, 70]);
    expect(belowSince(points, hundred)).toEqual({ at: T + 6 * MINUTE_MS, before: false });
  });

  test("a gap and a single better minute do not begin it anew", () => {
    const points = line([100, 100, 100, 100, 80, 80, null, null, 95, 80, 80, 80]);
    expect(belowSince(points, hundred)).toEqual({ at: T + 4 * MINUTE_MS, before: false });
  });

  test("longer than the series reaches", () => {
    const points = line(Array.from({ length: 12 }, () => 60));
    expect(belowSince(points, hundred)).toEqual({ at: T, before: true });
  });

  test("not below at the end, or nothing to compare with", () => {
    expect(belowSince(line([80, 80, 100]), hundred)).toBeNull();
    expect(belowSince(line([80, 80]), [])).toBeNull();
    expect(belowSince([], [])).toBeNull();
  });
});

describe("scales", () => {
  test("from zero", () => {
    expect(scaleFromZero([])).toEqual({ min: 0, max: 5, step: 1 });
    expect(scaleFromZero([1390])).toEqual({ min: 0, max: 1500, step: 500 });
  });

  test("a small dip of a large fleet is seen, and flicker stays small", () => {
    const flicker = scaleForDips([1290, 1300, 1305]);
    expect(flicker.min).toBeGreaterThan(0);
    // Never less than about three tenths of the whole.
    expect((flicker.max - flicker.min) / 1305).toBeGreaterThan(0.25);
    const dip = scaleForDips([1305, 1175]);
    expect(130 / (dip.max - dip.min)).toBeGreaterThan(0.2);
    for (const scale of [flicker, dip]) {
      expect((scale.max - scale.min) % scale.step).toBe(0);
      expect(scale.min % scale.step).toBe(0);
    }
  });

  test("every value lies within, whatever the values", () => {
    for (let highest = 1; highest < 5000; highest = Math.ceil(highest * 1.31)) {
      for (const share of [0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1]) {
        const lowest = Math.round(highest * share);
        const scale = scaleForDips([lowest, highest]);
        expect(scale.min).toBeLessThanOrEqual(lowest);
        expect(scale.max).toBeGreaterThanOrEqual(highest);
        expect((scale.max - scale.min) / scale.step).toBeLessThanOrEqual(8);
      }
    }
  });

  test("small fleets and deep falls are shown from zero", () => {
    expect(scaleForDips([20, 17]).min).toBe(0);
    expect(scaleForDips([1300, 400]).min).toBe(0);
    expect(scaleForDips([1300, 0]).min).toBe(0);
  });
});

describe("sparklines", () => {
  test("jump over holes and end in a dot only if they reach now", () => {
    const points: Point[] = [
      [0, 10],
      [1, 10],
      [2, null],
      [DAY_MS, 10],
    ];
    const spark = sparkOf(points, 0, DAY_MS, 100, 20);
    expect(spark.path.match(/M/g)).toHaveLength(2);
    expect(spark.end).toEqual({ x: 100, y: 0 });
    expect(sparkOf(points.slice(0, 2), 0, DAY_MS, 100, 20).end).toBeNull();
    expect(sparkOf([], 0, DAY_MS, 100, 20)).toEqual({ path: "", end: null });
    expect(sparkOf([[0, 0]], 0, DAY_MS, 100, 20).path).toBe("M0 20h0");
  });
});
