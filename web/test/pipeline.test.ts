import { describe, expect, it } from "vitest";
import { translate, type MessageKey, type Parameters } from "../src/i18n/translate";
import type { Language } from "../src/i18n/languages";
import type { StatusAnswer } from "../src/api/types";
import { causeOf, reasonsOf, stagesOf } from "../src/pipeline";

const gap = (cause: string, to: string | null) => ({
  cause,
  country: null,
  detail: "connection refused",
  from: "2026-11-21T08:07:22Z",
  seconds: 42,
  slot: "main",
  to,
});
const speak =
  (language: Language) =>
  (key: MessageKey, parameters: Parameters = {}) =>
    translate(language, key, parameters);
const when = (at: string) => at.slice(11, 16);

describe("why we cannot count", () => {
  const why = ["slot `main`: no ingest is running"];

  it("is said in the reader's language where a gap lasts, once for all slots", () => {
    const gaps = [gap("broker_away", null), gap("broker_away", null)];
    expect(reasonsOf({ why, gaps }, speak("en"), when)).toEqual(["Broker away since 08:07"]);
    expect(reasonsOf({ why, gaps }, speak("ja"), when)).toEqual(["ブローカー停止（08:07から）"]);
  });

  it("is what the server says where no gap lasts", () => {
    const gaps = [gap("broker_away", "2026-11-21T08:08:00Z")];
    expect(reasonsOf({ why, gaps }, speak("en"), when)).toEqual(why);
  });

  it("has words for causes that are not known yet", () => {
    expect(causeOf("queue_overflow", speak("ja"))).toBe("queue overflow");
  });
});

describe("the way of a heartbeat", () => {
  const now = Date.parse("2026-11-21T08:10:00Z");
  const slot = (connected: boolean, watermark_lag_secs: number | null) => ({
    slot: "a",
    topic_filter: "devices/+/heartbeat",
    connected,
    watermark_lag_secs,
  });
  const status = (changed: Partial<StatusAnswer>) =>
    ({
      ingest: [slot(true, 2)],
      postgres: { ok: true },
      last_close: "2026-11-21T08:02:00Z",
      agent: { last_sent_at: "2026-11-21T08:09:30Z" },
      ...changed,
    }) as StatusAnswer;
  const fine = (changed: Partial<StatusAnswer>) =>
    Object.fromEntries(stagesOf(status(changed), now, now).map((one) => [one.name, one.fine]));

  it("works at every step, and says how old what came last is", () => {
    const stages = stagesOf(status({}), now - 3_000, now);
    expect(stages.map((one) => one.lagMs)).toEqual([3_000, null, 2_000, null, 480_000, 30_000]);
    expect(stages.slice(1).every((one) => one.fine === true)).toBe(true);
  });

  it("never blames the devices", () => {
    expect(stagesOf(status({}), now - 86_400_000, now)[0]?.fine).toBeNull();
    expect(stagesOf(status({}), null, now)[0]?.lagMs).toBeNull();
  });

  it("shows the step that fails", () => {
    expect(fine({ ingest: [slot(true, 2), slot(false, 90)] })).toMatchObject({
      broker: false,
      ingest: false,
      database: true,
    });
    expect(fine({ postgres: { ok: false } })).toMatchObject({ database: false });
    expect(fine({ last_close: "2026-11-21T06:02:00Z" })).toMatchObject({ hours: false });
    expect(fine({ agent: { last_sent_at: "2026-11-21T08:01:00Z" } })).toMatchObject({
      datadog: false,
    });
  });

  it("does not guess what is not known", () => {
    expect(fine({ ingest: [], last_close: null, agent: { last_sent_at: null } })).toEqual({
      devices: null,
      broker: null,
      ingest: null,
      database: true,
      hours: null,
      datadog: null,
    });
    expect(fine({ ingest: [slot(true, null)] })).toMatchObject({ ingest: null });
  });
});
