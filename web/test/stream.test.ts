import { describe, expect, test } from "vitest";
import { createStream, SILENCE_MS, type StreamEvent } from "../src/live/stream";
import { FakeBrowser } from "./browser";

interface Call {
  say: (event: StreamEvent) => void;
  end: () => void;
  open: boolean;
}

function setUp() {
  const around = new FakeBrowser();
  const calls: Call[] = [];
  const stream = createStream((say, end) => {
    const call = { say, end, open: true };
    calls.push(call);
    return { close: () => void (call.open = false) };
  }, around);
  const heard: string[] = [];
  const listen = () =>
    stream.listen((event) => heard.push(event.type === "hour" ? event.country : event.type));
  const last = () => calls.at(-1) as Call;
  return { around, calls, stream, heard, listen, last };
}

describe("the stream", () => {
  test("one connection for all who listen, none for nobody", () => {
    const { calls, listen, last, around } = setUp();
    expect(calls).toHaveLength(0);
    const stops = [listen(), listen()];
    expect(calls).toHaveLength(1);
    stops.forEach((stop) => stop());
    expect(last().open).toBe(false);
    expect(around.waiting).toEqual([]);
    expect(around.listeners).toBe(0);
  });

  test("is live once it has said something, and tells who listens", () => {
    const { stream, heard, listen, last } = setUp();
    listen();
    expect(stream.isLive()).toBe(false);
    last().say({ type: "counts" });
    last().say({ type: "hour", country: "ph" });
    expect(stream.isLive()).toBe(true);
    expect(heard).toEqual(["state", "counts", "ph"]);
  });

  test("comes back after its end, ever more slowly", async () => {
    const { around, calls, stream, heard, listen, last } = setUp();
    listen();
    last().say({ type: "counts" });
    last().end();
    expect(stream.isLive()).toBe(false);
    expect(heard.at(-1)).toBe("state");
    expect(around.waiting).toEqual([1_000]);
    await around.pass(1_000);
    expect(calls).toHaveLength(2);
    last().end();
    expect(around.waiting).toEqual([2_000]);
    await around.pass(2_000);
    last().say({ type: "counts" });
    expect(stream.isLive()).toBe(true);
    last().end();
    expect(around.waiting).toEqual([1_000]);
  });

  test("a connection that says nothing is none", async () => {
    const { around, calls, stream, listen, last } = setUp();
    listen();
    last().say({ type: "counts" });
    await around.pass(SILENCE_MS - 1);
    expect(stream.isLive()).toBe(true);
    await around.pass(1);
    expect(stream.isLive()).toBe(false);
    await around.pass(1_000);
    expect(calls).toHaveLength(2);
    expect(calls[0]?.open).toBe(false);
  });

  test("what an old connection still says does not count", async () => {
    const { around, calls, stream, listen } = setUp();
    listen();
    calls[0]?.end();
    calls[0]?.end();
    expect(around.waiting).toHaveLength(1);
    calls[0]?.say({ type: "counts" });
    expect(stream.isLive()).toBe(false);
    await around.pass(1_000);
    expect(calls).toHaveLength(2);
  });

  test("nothing while the page is hidden", async () => {
    const { around, calls, stream, listen, last } = setUp();
    listen();
    last().say({ type: "counts" });
    await around.show(false);
    expect(last().open).toBe(false);
    expect(stream.isLive()).toBe(false);
    expect(around.waiting).toEqual([]);
    await around.show(true);
    expect(calls).toHaveLength(2);
  });
});
