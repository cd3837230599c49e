import { describe, expect, test } from "vitest";
import { lengthsOf, parseRange, rangeParameters, stretchOf, SPAN_NAMES } from "../src/time/range";
import { DAY_MS, HOUR_MS } from "../src/time/zones";

const parse = (query: string) => parseRange(new URLSearchParams(query));
const at = Date.parse;

describe("the range in the address", () => {
  test("a length until now; seven days where nothing usable is said", () => {
    expect(parse("range=24h")).toEqual({ kind: "last", span: "24h" });
    for (const query of ["", "range=8d", "range=", "from=2026-11-14T00:00:00Z"]) {
      expect(parse(query)).toEqual({ kind: "last", span: "7d" });
    }
  });

  test("two instants, by whatever offset", () => {
    const wanted = {
      kind: "fixed",
      from: at("2026-11-14T00:00:00Z"),
      to: at("2026-11-15T00:00:00Z"),
    };
    expect(parse("from=2026-11-14T00:00:00Z&to=2026-11-15T00:00:00Z")).toEqual(wanted);
    expect(parse("from=2026-11-14T08:00%2B08:00&to=2026-11-14T19:00:00-05:00")).toEqual(wanted);
    // A plus that was not escaped arrives as a space.
    expect(parse("from=2026-11-14T08:00+08:00&to=2026-11-15T00:00:00Z")).toEqual(wanted);
    // as alerts have it
    expect(parse("from=1794614400000&to=1794700800000.0")).toEqual(wanted);
    expect(parse("range=1h&from=2026-11-14T00:00:00Z&to=2026-11-15T00:00:00Z")).toEqual(wanted);
  });

  test.each([
    ["backwards", "from=2026-11-15T00:00:00Z&to=2026-11-14T00:00:00Z"],
    ["too long", "from=2026-01-01T00:00:00Z&to=2026-11-14T00:00:00Z"],
    ["too short", "from=2026-11-14T00:00:00Z&to=2026-11-14T00:09:00Z"],
    ["by nobody's clock", "from=2026-11-14T00:00:00&to=2026-11-15T00:00:00"],
    ["no time", "from=yesterday&to=today"],
    ["a day that is none", "from=2026-13-40T00:00:00Z&to=2026-11-15T00:00:00Z"],
  ])("%s is not taken", (_, query) => {
    expect(parse(query).kind).toBe("last");
  });

  test("is written as it is read", () => {
    for (const span of SPAN_NAMES) {
      const { range } = rangeParameters({ kind: "last", span });
      expect(parse(range === null ? "" : `range=${range}`)).toEqual({ kind: "last", span });
    }
    const fixed = {
      kind: "fixed",
      from: at("2026-11-14T00:00Z"),
      to: at("2026-11-15T00:01Z"),
    } as const;
    const written = rangeParameters(fixed);
    expect(written).toEqual({
      range: null,
      from: "2026-11-14T00:00:00Z",
      to: "2026-11-15T00:01:00Z",
    });
    expect(parse(`from=${written.from}&to=${written.to}`)).toEqual(fixed);
  });
});

describe("what is shown of it", () => {
  test("a length ends now, two instants stand", () => {
    expect(stretchOf({ kind: "last", span: "3h" }, 10 * HOUR_MS)).toEqual({
      from: 7 * HOUR_MS,
      to: 10 * HOUR_MS,
    });
    expect(stretchOf({ kind: "fixed", from: 1, to: 2 }, 10)).toEqual({ from: 1, to: 2 });
  });

  test("a short one by the minute, with seven days beside", () => {
    const short = lengthsOf({ from: 0, to: 6 * HOUR_MS });
    expect(short).toEqual({ minutesMs: 6 * HOUR_MS, stepMinutes: 1, hoursMs: 7 * DAY_MS });
    expect(lengthsOf({ from: 0, to: 2 * DAY_MS }).stepMinutes).toBe(5);
  });

  test("a long one by the hour, with its last hours beside", () => {
    const long = lengthsOf({ from: 0, to: 30 * DAY_MS });
    expect(long).toEqual({ minutesMs: 3 * HOUR_MS, stepMinutes: 1, hoursMs: 30 * DAY_MS });
  });
});
