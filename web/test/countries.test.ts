import { describe, expect, test } from "vitest";
import type { CountryItem } from "../src/api/types";
import { changeOf, isDrop, orderCountries, totalOf } from "../src/countries";

function item(country: string, now: number | null, week: number | null): CountryItem {
  return {
    country,
    name: country,
    name_ja: country,
    time_zone: "UTC",
    now,
    week_ago: week,
    expected: null,
    expected_low: null,
    missing: null,
    silent: 1,
    status: now === null ? "unknown" : "learning",
    as_of: null,
    last_heard_at: null,
  };
}
const codes = (items: CountryItem[]) => items.map((one) => one.country).join(" ");

describe("changes", () => {
  test("a tenth is a drop, less is not, unknown is nothing", () => {
    expect(isDrop(changeOf(90, 100))).toBe(true);
    expect(isDrop(changeOf(91, 100))).toBe(false);
    expect(changeOf(null, 100)).toEqual({ difference: null, share: null });
    expect(changeOf(5, 0)).toEqual({ difference: 5, share: null });
    expect(isDrop(changeOf(0, 0))).toBe(false);
  });
});

describe("the order", () => {
  const items = [
    item("zz", null, 5),
    item("small", 10, 10),
    item("large", 500, 500),
    item("drop", 80, 100),
    item("deeper", 50, 100),
    item("unseen", null, 40),
  ];

  test("trouble first, then size, the unplaced last", () => {
    expect(codes(orderCountries(items, null))).toBe("unseen deeper drop large small zz");
  });

  test("holds still while frozen; what is new comes at the end", () => {
    const frozen = ["large", "small", "drop", "deeper", "unseen"];
    expect(codes(orderCountries(items, frozen))).toBe("large small drop deeper unseen zz");
  });

  test("all unknown: by last week's size", () => {
    const blind = [item("a", null, 1), item("b", null, 9), item("c", null, null)];
    expect(codes(orderCountries(blind, null))).toBe("b a c");
  });
});

describe("the total", () => {
  test("says how many are missing, and compares like with like", () => {
    const total = totalOf([item("a", 90, 100), item("b", null, 1000), item("c", 5, null)]);
    expect(total).toEqual({
      now: 95,
      unknown: 1,
      change: { difference: -10, share: -0.1 },
      silent: 3,
    });
  });

  test("of nothing known is unknown, not 0", () => {
    const total = totalOf([item("a", null, 100)]);
    expect(total.now).toBeNull();
    expect(total.change.difference).toBeNull();
  });
});
