import { describe, expect, it } from "vitest";
import { translate, type MessageKey, type Parameters } from "../src/i18n/translate";
import type { Language } from "../src/i18n/languages";
import { causeOf, reasonsOf } from "../src/pipeline";

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
