import { describe, expect, test } from "vitest";
import { hrefOf, parseRoute, pathOf, searchOf, sharedHref, withParameters } from "../src/router";

describe("routes", () => {
  test.each([
    ["/", { page: "countries" }],
    ["/c/ph", { page: "country", country: "ph" }],
    ["/c/PH/", { page: "country", country: "ph" }],
    ["/c/ph/globe", { page: "carrier", country: "ph", carrier: "globe" }],
    ["/c/PH/Smart-Axiata/", { page: "carrier", country: "ph", carrier: "smart-axiata" }],
    ["/d/IMEI:356938035643809", { page: "device", device: "IMEI:356938035643809" }],
    ["/d/IMEI%3A1", { page: "device", device: "IMEI:1" }],
    [`/d/${"x".repeat(65)}`, { page: "not-found", path: `/d/${"x".repeat(65)}` }],
    ["/d/a b", { page: "not-found", path: "/d/a b" }],
    ["/status", { page: "status" }],
    ["/c/phl", { page: "not-found", path: "/c/phl" }],
    ["/c/ph/globe/x", { page: "not-found", path: "/c/ph/globe/x" }],
    ["/api/v1/countries", { page: "not-found", path: "/api/v1/countries" }],
  ])("%s", (path, route) => {
    expect(parseRoute(path)).toEqual(route);
  });

  test("an address leads to its page and back", () => {
    for (const path of ["/", "/c/ph", "/c/ph/globe", "/d/car:1", "/status", "/nowhere"]) {
      expect(pathOf(parseRoute(path))).toBe(path);
    }
  });
});

describe("the query", () => {
  test("zone and language go along everywhere, the range to where there is one", () => {
    const query = new URLSearchParams("tz=Asia/Tokyo&lang=ja&range=24h&cursor=x");
    expect(hrefOf({ page: "countries" }, query)).toBe("/?tz=Asia/Tokyo&lang=ja");
    expect(hrefOf({ page: "country", country: "ph" }, query)).toBe(
      "/c/ph?range=24h&tz=Asia/Tokyo&lang=ja",
    );
    expect(hrefOf({ page: "countries" }, new URLSearchParams())).toBe("/");
  });

  test("values are set and taken out", () => {
    const query = new URLSearchParams("tz=utc&x=1");
    expect(searchOf(withParameters(query, { tz: null }))).toBe("?x=1");
    expect(searchOf(withParameters(query, { tz: "mine", y: "2" }))).toBe("?tz=mine&x=1&y=2");
    expect(searchOf(withParameters(new URLSearchParams("tz=utc"), { tz: null }))).toBe("");
  });

  test("a shared link has instants, the zone's name, and no language nobody chose", () => {
    const range = { range: null, from: "2026-11-14T02:00:00Z", to: "2026-11-21T02:00:00Z" };
    const shared = (query: string) =>
      sharedHref({
        route: { page: "country", country: "ph" },
        query: new URLSearchParams(query),
        zone: "Asia/Manila",
        range,
      });
    const same = "/c/ph?from=2026-11-14T02:00:00Z&to=2026-11-21T02:00:00Z&tz=Asia/Manila";
    expect(shared("range=7d&tz=mine")).toBe(same);
    expect(shared("lang=ja")).toBe(`${same}&lang=ja`);
  });
});
