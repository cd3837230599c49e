import { describe, expect, test } from "vitest";
import { clock, day, dayAndClock, placeOf, zoneLabel } from "../src/time/labels";
import { parseZoneChoice, zoneOf, zoneParameter } from "../src/time/zone-choice";
import {
  daysLater,
  HOUR_MS,
  hourStart,
  instantOf,
  isZone,
  midnights,
  nights,
  offsetLabel,
  offsetMinutes,
  wallTicks,
  wallTime,
} from "../src/time/zones";

const at = (text: string) => Date.parse(text);
const iso = (instant: number) => new Date(instant).toISOString().slice(0, 16);

describe("offsets", () => {
  test.each([
    ["Asia/Manila", "2026-11-21T00:00Z", 480, "UTC+8"],
    ["Asia/Kolkata", "2026-11-21T00:00Z", 330, "UTC+5:30"],
    ["Asia/Kathmandu", "2026-11-21T00:00Z", 345, "UTC+5:45"],
    ["America/St_Johns", "2026-01-21T00:00Z", -210, "UTC−3:30"],
    ["Australia/Lord_Howe", "2026-01-21T00:00Z", 660, "UTC+11"],
    ["Australia/Lord_Howe", "2026-07-21T00:00Z", 630, "UTC+10:30"],
    ["America/New_York", "2026-07-21T00:00Z", -240, "UTC−4"],
    ["UTC", "2026-07-21T00:00Z", 0, "UTC"],
  ])("%s at %s", (zone, instant, minutes, label) => {
    expect(offsetMinutes(zone, at(instant))).toBe(minutes);
    expect(offsetLabel(minutes)).toBe(label);
  });

  test("change at the very instant, not an hour around it", () => {
    // New York leaves daylight saving time on 1 November 2026 at 06:00 UTC.
    expect(offsetMinutes("America/New_York", at("2026-11-01T05:59:59Z"))).toBe(-240);
    expect(offsetMinutes("America/New_York", at("2026-11-01T06:00:00Z"))).toBe(-300);
  });

  test("a zone that nobody knows", () => {
    expect(isZone("Asia/Manila")).toBe(true);
    expect(isZone("Mars/Olympus")).toBe(false);
  });
});

describe("wall times", () => {
  test("there and back", () => {
    expect(wallTime("Asia/Kathmandu", at("2026-11-21T18:20:05Z"))).toEqual({
      year: 2026,
      month: 11,
      day: 22,
      hour: 0,
      minute: 5,
      second: 5,
      weekday: 0,
    });
    expect(iso(instantOf("Asia/Kathmandu", 2026, 11, 22))).toBe("2026-11-21T18:15");
    expect(iso(instantOf("Asia/Kolkata", 2026, 11, 31, 9, 30))).toBe("2026-12-01T04:00");
  });

  test("a time that comes twice is the first, one that is skipped is later", () => {
    // Berlin: 25 October 2026, 03:00 back to 02:00; 29 March 2026, 02:00 on to 03:00.
    expect(iso(instantOf("Europe/Berlin", 2026, 10, 25, 2, 30))).toBe("2026-10-25T00:30");
    expect(iso(instantOf("Europe/Berlin", 2026, 3, 29, 2, 30))).toBe("2026-03-29T01:30");
    // Lord Howe moves by half an hour: 5 April 2026, 02:00 back to 01:30.
    expect(iso(instantOf("Australia/Lord_Howe", 2026, 4, 5, 1, 45))).toBe("2026-04-04T14:45");
  });

  test("a week earlier is at the same time of the clock", () => {
    expect(iso(daysLater("Asia/Manila", at("2026-11-21T02:30Z"), -7))).toBe("2026-11-14T02:30");
    // Over the change of Berlin's clock a week has 169 hours.
    expect(iso(daysLater("Europe/Berlin", at("2026-10-27T08:00Z"), -7))).toBe("2026-10-20T07:00");
  });

  test("hours start by the clock of the country", () => {
    expect(iso(hourStart("Asia/Kolkata", at("2026-11-21T02:20Z")))).toBe("2026-11-21T01:30");
    expect(iso(hourStart("Asia/Kathmandu", at("2026-11-21T02:20Z")))).toBe("2026-11-21T02:15");
  });

  test("midnights and ticks", () => {
    const days = midnights("Asia/Manila", at("2026-11-14T07:00Z"), at("2026-11-21T07:00Z"));
    expect(days.map(iso)).toEqual([14, 15, 16, 17, 18, 19, 20].map((d) => `2026-11-${d}T16:00`));
    const ticks = wallTicks("Asia/Kathmandu", at("2026-11-21T02:20Z"), at("2026-11-21T05:20Z"), 60);
    expect(ticks.map(iso)).toEqual(["2026-11-21T03:15", "2026-11-21T04:15", "2026-11-21T05:15"]);
    // A day on which the clock changes has its midnights where they are.
    const autumn = midnights("Europe/Berlin", at("2026-10-24T12:00Z"), at("2026-10-26T12:00Z"));
    expect(autumn.map(iso)).toEqual(["2026-10-24T22:00", "2026-10-25T23:00"]);
  });
});

describe("nights", () => {
  test("are those of the country's clock, cut to the range", () => {
    const ranges = nights("Asia/Manila", at("2026-11-20T16:00Z"), at("2026-11-21T15:00Z"));
    expect(ranges.map((range) => range.map(iso))).toEqual([
      ["2026-11-20T16:00", "2026-11-20T22:00"],
      ["2026-11-21T14:00", "2026-11-21T15:00"],
    ]);
  });

  test("one lasts an hour longer when the clock goes back", () => {
    const [night] = nights("Europe/Berlin", at("2026-10-24T12:00Z"), at("2026-10-25T12:00Z"));
    expect(night?.map(iso)).toEqual(["2026-10-24T20:00", "2026-10-25T05:00"]);
    expect(((night?.[1] ?? 0) - (night?.[0] ?? 0)) / HOUR_MS).toBe(9);
  });

  test("a range by day has none", () => {
    expect(nights("Asia/Kolkata", at("2026-11-21T04:00Z"), at("2026-11-21T08:00Z"))).toEqual([]);
  });
});

describe("labels", () => {
  const now = at("2026-11-21T02:31:05Z");

  test("zones are named by place and offset", () => {
    expect(zoneLabel("Asia/Manila", now, "en")).toBe("Manila, UTC+8");
    expect(zoneLabel("Asia/Manila", now, "ja")).toBe("マニラ、UTC+8");
    expect(zoneLabel("Asia/Kathmandu", now, "en")).toBe("Kathmandu, UTC+5:45");
    expect(zoneLabel("Australia/Lord_Howe", now, "en")).toBe("Lord Howe, UTC+11");
    expect(zoneLabel("Etc/UTC", now, "ja")).toBe("UTC");
    expect(placeOf("America/Argentina/Buenos_Aires", "ja")).toBe("Buenos Aires");
  });

  test("times have 24 hours, days their weekday", () => {
    expect(clock("Asia/Manila", now, "en")).toBe("10:31");
    expect(clock("Asia/Manila", at("2026-11-20T16:05Z"), "ja")).toBe("00:05");
    expect(day("Asia/Manila", now, "en")).toBe("Sat 21 Nov");
    expect(day("Asia/Manila", now, "ja")).toBe("11/21(土)");
    expect(dayAndClock("Asia/Kolkata", now, "en")).toBe("Sat 21 Nov, 08:01");
  });
});

describe("the choice of a zone", () => {
  test("is read from the address and written to it", () => {
    for (const text of ["mine", "utc", "Asia/Tokyo"]) {
      expect(zoneParameter(parseZoneChoice(text))).toBe(text);
    }
    for (const text of [null, "", "country", "Mars/Olympus"]) {
      expect(zoneParameter(parseZoneChoice(text))).toBeNull();
    }
  });

  test("means a zone", () => {
    const zone = (text: string) => zoneOf(parseZoneChoice(text), "Asia/Manila", "Europe/Berlin");
    expect(["country", "mine", "utc", "Asia/Tokyo"].map(zone)).toEqual([
      "Asia/Manila",
      "Europe/Berlin",
      "UTC",
      "Asia/Tokyo",
    ]);
  });
});
