import { describe, expect, test } from "vitest";
import { hrefOf, parseRoute, pathOf, searchOf, withParameter } from "../src/router";

describe("routes", () => {
  test.each([
    ["/", { page: "countries" }],
    ["/c/ph", { page: "country", country: "ph" }],
    ["/c/PH/", { page: "country", country: "ph" }],
    ["/status", { page: "status" }],
    ["/c/phl", { page: "not-found", path: "/c/phl" }],
    ["/c/ph/globe/x", { page: "not-found", path: "/c/ph/globe/x" }],
    ["/api/v1/countries", { page: "not-found", path: "/api/v1/countries" }],
  ])("%s", (path, route) => {
    expect(parseRoute(path)).toEqual(route);
  });

  test("an address leads to its page and back", () => {
    for (const path of ["/", "/c/ph", "/status", "/nowhere"]) {
      expect(pathOf(parseRoute(path))).toBe(path);
    }
  });
});

describe("the query", () => {
  test("zone and language go along, the rest stays behind", () => {
    const query = new URLSearchParams("tz=Asia/Tokyo&lang=ja&from=x");
    expect(hrefOf({ page: "country", country: "ph" }, query)).toBe("/c/ph?tz=Asia/Tokyo&lang=ja");
    expect(hrefOf({ page: "countries" }, new URLSearchParams())).toBe("/");
  });

  test("a value is set or taken out", () => {
    const query = new URLSearchParams("tz=utc&x=1");
    expect(searchOf(withParameter(query, "tz", null))).toBe("?x=1");
    expect(searchOf(withParameter(query, "tz", "mine"))).toBe("?tz=mine&x=1");
    expect(searchOf(withParameter(new URLSearchParams("tz=utc"), "tz", null))).toBe("");
  });
});
