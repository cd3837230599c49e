import { describe, expect, test } from "vitest";
import { chooseLanguage, LANGUAGES } from "../src/i18n/languages";
import {
  formatCount,
  formatDifference,
  formatPercent,
  MESSAGES,
  translate,
  type Message,
  type MessageKey,
} from "../src/i18n/translate";

const keys = Object.keys(MESSAGES.en) as MessageKey[];
const forms = (message: Message) =>
  typeof message === "string" ? [message] : Object.values(message);
const places = (text: string) => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort();

describe("the messages", () => {
  test.each(LANGUAGES)("%s has every key and none beside", (language) => {
    expect(Object.keys(MESSAGES[language]).sort()).toEqual([...keys].sort());
  });

  test.each(keys)("%s has the same places in every language and form", (key) => {
    const wanted = places(forms(MESSAGES.en[key])[0] ?? "");
    for (const language of LANGUAGES) {
      for (const form of forms(MESSAGES[language][key])) {
        expect(form.trim()).not.toBe("");
        expect(places(form)).toEqual(wanted);
      }
    }
  });

  test("Japanese is Japanese", () => {
    const same = keys.filter((key) => MESSAGES.en[key] === MESSAGES.ja[key]);
    expect(same).toEqual([]);
  });

  test("nowhere is the page called after heads", () => {
    for (const language of LANGUAGES) {
      expect(JSON.stringify(MESSAGES[language]).toLowerCase()).not.toContain("headcount");
    }
    expect(translate("en", "app.title")).toBe("Device connections");
    expect(translate("ja", "app.title")).toBe("接続台数");
  });
});

describe("translating", () => {
  test("fills places, writes numbers, chooses the plural", () => {
    expect(translate("en", "duration.hours", { count: 1 })).toBe("1 hour");
    expect(translate("en", "duration.hours", { count: 2 })).toBe("2 hours");
    expect(translate("ja", "duration.hours", { count: 1 })).toBe("1時間");
    expect(translate("en", "chart.cut", { value: 1200 })).toContain("1,200");
  });
});

describe("numbers", () => {
  test("unknown is a dash, never 0", () => {
    expect(formatCount("en", null)).toBe("—");
    expect(formatDifference("ja", null)).toBe("—");
    expect(formatPercent("en", null)).toBe("—");
    expect(formatCount("en", 0)).toBe("0");
  });

  test("signs are true and percentages short", () => {
    expect(formatCount("en", 48210)).toBe("48,210");
    expect(formatDifference("en", -263)).toBe("−263");
    expect(formatDifference("en", 13)).toBe("+13");
    expect(formatPercent("en", -0.214)).toBe("−21\u00a0%");
    expect(formatPercent("en", -0.0512)).toBe("−5.1\u00a0%");
    expect(formatPercent("ja", 0.011)).toBe("+1.1%");
    expect(formatPercent("en", -0.1)).toBe("−10\u00a0%");
  });
});

describe("the language", () => {
  test("is what the address asks for, else the reader's, else English", () => {
    expect(chooseLanguage("ja", ["en-US"])).toBe("ja");
    expect(chooseLanguage("fr", ["fr-FR", "ja-JP", "en"])).toBe("ja");
    expect(chooseLanguage(null, ["km"])).toBe("en");
  });
});
