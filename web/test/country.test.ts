// What the pages of countries, carriers and devices make of the API's answers.
import { describe, expect, test } from "vitest";
import type { MarkItem, PresenceItem } from "../src/api/types";
import { bandOf, sumOf } from "../src/charts/data";
import { heatOf } from "../src/charts/heat";
import { marksIn } from "../src/charts/marks";
import { presenceDays } from "../src/charts/presence";
import { dbmText, voltageText } from "../src/components/units";
import { isBehind, wholeOf } from "../src/splits";
import { HOUR_MS } from "../src/time/zones";

describe("a split", () => {
  const group = (devices: number | null, last_7_days: number | null) => ({ devices, last_7_days });

  test("a group that lags behind the whole is marked, a small one is not", () => {
    const groups = [group(55, 100), group(95, 100), group(4, 9)];
    const whole = wholeOf(groups);
    expect(whole).toBeCloseTo(154 / 209);
    expect(groups.map((one) => isBehind(one, whole))).toEqual([true, false, false]);
  });

  test("what is unknown is not behind", () => {
    const groups = [group(null, 100), group(10, 100)];
    expect(wholeOf(groups)).toBeNull();
    expect(groups.some((one) => isBehind(one, wholeOf(groups)))).toBe(false);
    expect(isBehind(group(null, 100), 0.9)).toBe(false);
    expect(wholeOf([])).toBeNull();
  });
});

describe("the week in hours", () => {
  const item = (weekday: number, hour: number, devices: number) => ({
    weekday,
    hour,
    devices,
    lowest: devices,
    highest: devices,
    hours: 4,
  });

  test("Monday comes first, and an hour that was never complete is a hole", () => {
    const { rows, lowest, highest } = heatOf([item(1, 0, 10), item(7, 23, 30), item(2, 5, 20)]);
    expect(rows).toHaveLength(7);
    expect(rows.every((row) => row.cells.length === 24)).toBe(true);
    expect(rows[0]?.cells[0]?.heat).toBe(0);
    expect(rows[1]?.cells[5]?.heat).toBe(0.5);
    expect(rows[6]?.cells[23]?.heat).toBe(1);
    expect(rows[0]?.cells[1]).toBeNull();
    expect([lowest?.devices, highest?.devices]).toEqual([10, 30]);
  });

  test("nothing known, and all the same", () => {
    expect(heatOf([]).lowest).toBeNull();
    expect(heatOf([item(1, 0, 5)]).rows[0]?.cells[0]?.heat).toBe(1);
  });
});

describe("marks", () => {
  const mark = (id: number, from: number, to: number | null, carrier: string | null = null) =>
    ({
      id,
      kind: "deploy",
      country: "ph",
      carrier,
      from: new Date(from * HOUR_MS).toISOString(),
      to: to === null ? null : new Date(to * HOUR_MS).toISOString(),
    }) as MarkItem;

  test("those that touch the stretch, oldest first, numbered", () => {
    const items = [mark(1, 9, null), mark(2, 1, 6), mark(3, 1, 2), mark(4, 11, null)];
    const found = marksIn(items, null, 5 * HOUR_MS, 10 * HOUR_MS);
    expect(found.map(({ number, item }) => [number, item.id])).toEqual([
      [1, 2],
      [2, 1],
    ]);
    expect(found[1]?.to).toBeNull();
  });

  test("a carrier's page leaves out the other carriers' marks", () => {
    const items = [mark(1, 6, null, "smart"), mark(2, 7, null, "globe"), mark(3, 8, null)];
    const found = marksIn(items, "globe", 0, 10 * HOUR_MS);
    expect(found.map(({ item }) => item.id)).toEqual([2, 3]);
    expect(marksIn(items, null, 0, 10 * HOUR_MS)).toHaveLength(3);
  });
});

test("the band is there where something is expected, and nowhere else", () => {
  const at = "2026-11-21T00:00:00Z";
  const known = { at, carriers: {}, expected: 10, expected_low: 8 };
  const learning = { at, carriers: {}, expected: null, expected_low: null };
  expect(bandOf([learning, known])).toEqual([[Date.parse(at), 8, 10]]);
});

describe("presence", () => {
  const hour = (start: string, country = "in"): PresenceItem => ({
    start,
    end: new Date(Date.parse(start) + HOUR_MS).toISOString(),
    country,
    carriers: ["jio"],
  });

  test("days by the zone's clock, also where hours begin at half past", () => {
    const now = Date.parse("2026-11-21T10:45:00+05:30");
    const heard = [hour("2026-11-20T23:00:00+05:30"), hour("2026-11-21T09:00:00+05:30")];
    const days = presenceDays("Asia/Kolkata", heard, now, 2);
    expect(days).toHaveLength(2);
    expect(days[0]?.cells[23]?.state).toBe("heard");
    expect(days[1]?.cells[9]?.heard[0]?.carriers).toEqual(["jio"]);
    expect(days[1]?.cells[8]?.state).toBe("not_heard");
    expect(days[1]?.cells[10]?.state).toBe("not_heard");
    expect(days[1]?.cells[11]?.state).toBe("future");
  });

  test("another country's hours, which begin half an hour off, fall into the hour of their middle", () => {
    const now = Date.parse("2026-11-21T12:00:00+08:00");
    const days = presenceDays("Asia/Manila", [hour("2026-11-21T01:30:00Z")], now, 1);
    const heard = days[0]?.cells.map((cell) => cell?.state === "heard") ?? [];
    expect(heard.filter(Boolean)).toHaveLength(1);
  });

  test("an hour that the clock skips is no cell", () => {
    const now = Date.parse("2026-03-29T12:00:00Z");
    const days = presenceDays("Europe/Berlin", [], now, 1);
    expect(days[0]?.cells[2]).toBeNull();
    expect(days[0]?.cells.filter((cell) => cell !== null)).toHaveLength(23);
  });
});

test("a sum is unknown where one of its parts is", () => {
  const sum = sumOf([
    [
      [1, 10],
      [2, null],
      [3, 10],
    ],
    [
      [1, 5],
      [2, 5],
    ],
  ]);
  expect(sum).toEqual([
    [1, 15],
    [2, null],
    [3, null],
  ]);
});

test("volts and decibels, and nothing made up", () => {
  expect([voltageText(11_900), voltageText(null)]).toEqual(["11.90 V", "—"]);
  expect([dbmText(-98), dbmText(null)]).toEqual(["−98 dBm", "—"]);
});
