import { describe, expect, test } from "vitest";
import {
  BACKOFF_MAX_MS,
  backoffMs,
  everyAndAtMinutes,
  NOTHING_YET,
  phaseOf,
  polling,
  reduce,
  type FeedEvent,
  type Snapshot,
} from "../src/live/feed";
import { FakeBrowser, settle } from "./browser";

function follow(around: FakeBrowser, load: (signal: AbortSignal) => Promise<number>) {
  const state: { snapshot: Snapshot<number>; events: FeedEvent<number>[] } = {
    snapshot: NOTHING_YET,
    events: [],
  };
  const handle = polling({ load, every: () => 2_000 }, around).open((event) => {
    state.events.push(event);
    state.snapshot = reduce(state.snapshot, event);
  });
  return { state, handle };
}

describe("a snapshot", () => {
  const data: FeedEvent<number> = { type: "data", data: 7, at: 100 };
  const error: FeedEvent<number> = { type: "error", error: new Error("x"), at: 200 };

  test("keeps old data through failures and says since when it is old", () => {
    let snapshot: Snapshot<number> = NOTHING_YET;
    expect(phaseOf(snapshot)).toBe("loading");
    snapshot = reduce(snapshot, data);
    expect(phaseOf(snapshot)).toBe("fresh");
    snapshot = reduce(snapshot, error);
    expect(phaseOf(snapshot)).toBe("fresh");
    snapshot = reduce(snapshot, error);
    expect(phaseOf(snapshot)).toBe("stale");
    expect(snapshot).toMatchObject({ data: 7, receivedAt: 100, failures: 2 });
    snapshot = reduce(snapshot, { ...data, at: 300 });
    expect(phaseOf(snapshot)).toBe("fresh");
    expect(snapshot).toMatchObject({ receivedAt: 300, failures: 0, error: null });
  });

  test("without any data a failure is a failure", () => {
    expect(phaseOf(reduce(NOTHING_YET as Snapshot<number>, error))).toBe("failed");
  });
});

describe("polling", () => {
  test("asks at once, then again and again", async () => {
    const around = new FakeBrowser();
    let asked = 0;
    const { state } = follow(around, () => Promise.resolve(++asked));
    await settle();
    expect(state.snapshot.data).toBe(1);
    await around.pass(6_000);
    expect(asked).toBe(4);
    expect(state.snapshot.receivedAt).toBe(6_000);
  });

  test("waits longer and longer while it fails, then goes on as before", async () => {
    const around = new FakeBrowser();
    let down = true;
    const { state } = follow(around, () =>
      down ? Promise.reject(new Error("down")) : Promise.resolve(1),
    );
    await settle();
    const waits: number[] = [];
    for (let turn = 0; turn < 6; turn++) {
      const wait = around.waiting[0] ?? 0;
      waits.push(wait);
      await around.pass(wait);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
    down = false;
    await around.pass(15_000);
    expect(state.snapshot).toMatchObject({ data: 1, failures: 0 });
    expect(around.waiting).toEqual([2_000]);
  });

  test("rests while hidden and asks at once when shown", async () => {
    const around = new FakeBrowser();
    let asked = 0;
    follow(around, () => Promise.resolve(++asked));
    await settle();
    await around.show(false);
    await around.pass(60_000);
    expect(asked).toBe(1);
    await around.show(true);
    expect(asked).toBe(2);
    expect(around.waiting).toEqual([2_000]);
  });

  test("asks one thing at a time", async () => {
    const around = new FakeBrowser();
    let asked = 0;
    const { handle } = follow(around, () => {
      asked += 1;
      return new Promise(() => {});
    });
    handle.refresh();
    handle.refresh();
    await around.pass(10_000);
    expect(asked).toBe(1);
  });

  test("gives up what is on its way when closed, and tells nothing more", async () => {
    const around = new FakeBrowser();
    let given: AbortSignal | null = null;
    let answer: (value: number) => void = () => {};
    const { state, handle } = follow(around, (signal) => {
      given = signal;
      return new Promise((resolve) => (answer = resolve));
    });
    handle.close();
    answer(1);
    await settle();
    expect((given as AbortSignal | null)?.aborted).toBe(true);
    expect(state.events).toEqual([]);
    expect(around.waiting).toEqual([]);
    expect(around.listeners).toBe(0);
  });
});

describe("waits", () => {
  test("never exceed the longest, and differ from reader to reader", () => {
    expect(backoffMs(50, 0)).toBe(BACKOFF_MAX_MS);
    expect(backoffMs(50, 1)).toBeLessThan(BACKOFF_MAX_MS);
    expect(backoffMs(1, 1)).toBeGreaterThan(500);
  });

  test("end shortly after each change of the minute", () => {
    const every = everyAndAtMinutes(15_000);
    expect(every(10_000)).toBe(15_000);
    expect(every(55_000)).toBe(6_500);
    expect(every(61_000)).toBe(500);
    expect(every(61_500)).toBe(15_000);
  });
});

test("a nudge asks at once, but not while nobody sees the page", async () => {
  const around = new FakeBrowser();
  let asked = 0;
  let ask: (() => void) | null = null;
  const feed = polling(
    {
      load: () => Promise.resolve(++asked),
      every: () => 60_000,
      nudge(nudged) {
        ask = nudged;
        return () => (ask = null);
      },
    },
    around,
  );
  const handle = feed.open(() => undefined);
  await around.pass(10);
  expect(asked).toBe(1);
  (ask as (() => void) | null)?.();
  await around.pass(10);
  expect(asked).toBe(2);
  expect(around.waiting).toHaveLength(1);
  await around.show(false);
  (ask as (() => void) | null)?.();
  await around.pass(10);
  expect(asked).toBe(2);
  handle.close();
  expect(ask).toBeNull();
});
