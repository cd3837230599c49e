import { describe, expect, test, vi } from "vitest";
import { ApiError, createClient } from "../src/api/client";

const never = new AbortController().signal;

function answering(body: unknown, init: ResponseInit & { type?: string } = {}) {
  const headers = new Headers(init.headers);
  headers.set("content-type", init.type ?? "application/json");
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return vi.fn<typeof fetch>(() => Promise.resolve(new Response(text, { ...init, headers })));
}

async function errorOf(promise: Promise<unknown>): Promise<ApiError> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ApiError)) throw new Error(`no ApiError but ${String(error)}`);
  return error;
}

describe("asking", () => {
  test("writes instants in whole seconds", async () => {
    const fetch = answering({ items: [] });
    const from = Date.parse("2026-11-21T02:00:00.789Z");
    await createClient({ fetch }).now("ph", { from, step: 10 }, never);
    expect(fetch.mock.calls[0]?.[0]).toBe(
      "/api/v1/countries/ph/now?from=2026-11-21T02%3A00%3A00Z&step=10",
    );
  });

  test("learns how far the server's clock is ahead", async () => {
    const date = new Date(Date.now() + 60_000).toUTCString();
    const fetch = answering({ items: [] }, { headers: { date } });
    const onServerClock = vi.fn();
    await createClient({ fetch, onServerClock }).countries(never);
    expect(onServerClock.mock.calls[0]?.[0]).toBeGreaterThan(58_000);
  });
});

describe("failing", () => {
  test("a problem is told in the server's words", async () => {
    const problem = { type: "urn:x", title: "Not in use", status: 404, detail: "try `ph`" };
    const fetch = answering(problem, { status: 404, type: "application/problem+json" });
    const error = await errorOf(createClient({ fetch }).country("xx", never));
    expect(error).toMatchObject({ kind: "http", status: 404, message: "try `ph`" });
    expect(error.problem?.title).toBe("Not in use");
  });

  test("an error page of a proxy is an answer without a problem", async () => {
    const fetch = answering("<h1>Bad gateway</h1>", { status: 502, type: "text/html" });
    const error = await errorOf(createClient({ fetch }).status(never));
    expect(error).toMatchObject({ kind: "http", status: 502, problem: null });
  });

  test.each([
    ["a page instead of JSON", "<html>", "text/html"],
    ["half an answer", '{"items": [', "application/json"],
    ["a list without items", {}, "application/json"],
  ])("%s is malformed", async (_, body, type) => {
    const fetch = answering(body, { type });
    expect((await errorOf(createClient({ fetch }).countries(never))).kind).toBe("malformed");
  });

  test("nobody there", async () => {
    const fetch = vi.fn(() => Promise.reject(new TypeError("fetch failed")));
    const error = await errorOf(createClient({ fetch }).countries(never));
    expect(error).toMatchObject({ kind: "network", status: null });
  });

  const hanging: typeof fetch = (_, init) =>
    new Promise((_resolve, reject) => {
      const signal = init?.signal;
      if (signal?.aborted) reject(new DOMException("gone", "AbortError"));
      signal?.addEventListener("abort", () => reject(new DOMException("gone", "AbortError")));
    });

  test("no answer in time", async () => {
    const client = createClient({ fetch: hanging, timeoutMs: 5 });
    expect((await errorOf(client.countries(never))).kind).toBe("timeout");
  });

  test("who asked has gone: no error of the server's", async () => {
    const controller = new AbortController();
    const asked = createClient({ fetch: hanging }).countries(controller.signal);
    controller.abort();
    await expect(asked).rejects.toBe(controller.signal.reason);
    const late = createClient({ fetch: hanging }).countries(controller.signal);
    await expect(late).rejects.toBe(controller.signal.reason);
  });
});
