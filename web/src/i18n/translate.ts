import { en } from "./en";
import { ja } from "./ja";
import { localeOf, type Language } from "./languages";

/** A text with `{name}` places, or one per plural form, chosen by the parameter `count`. */
export type Message = string | ({ other: string } & Partial<Record<Intl.LDMLPluralRule, string>>);
export type MessageKey = keyof typeof en;
export type Messages = Record<MessageKey, Message>;
/** Numbers are written as the language writes them. */
export type Parameters = Record<string, string | number>;

export const MESSAGES: Record<Language, Messages> = { en, ja };

const plurals = new Map<Language, Intl.PluralRules>();
const integers = new Map<Language, Intl.NumberFormat>();
const signed = new Map<Language, Intl.NumberFormat>();
const percents = new Map<string, Intl.NumberFormat>();

function keep<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

/** What stands for a number that nobody knows. Never 0. */
export const UNKNOWN = "—";

/** A minus sign as wide as a digit, instead of a hyphen. */
function trueMinus(text: string): string {
  return text.replace("-", "−");
}

/** "1,203"; "—" for unknown. */
export function formatCount(language: Language, value: number | null | undefined): string {
  if (value === null || value === undefined) return UNKNOWN;
  const format = keep(integers, language, () => new Intl.NumberFormat(localeOf(language)));
  return trueMinus(format.format(value));
}

/** "+13", "−130", "0"; "—" for unknown. */
export function formatDifference(language: Language, value: number | null): string {
  if (value === null) return UNKNOWN;
  const format = keep(
    signed,
    language,
    () => new Intl.NumberFormat(localeOf(language), { signDisplay: "exceptZero" }),
  );
  return trueMinus(format.format(value));
}

/** "−12.3 %" of a share of 1; "—" for unknown. Japanese sets no space before the sign. */
export function formatPercent(language: Language, share: number | null): string {
  if (share === null) return UNKNOWN;
  const digits = Math.abs(share) < 0.0995 ? 1 : 0;
  const format = keep(
    percents,
    `${language}/${digits}`,
    () =>
      new Intl.NumberFormat(localeOf(language), {
        signDisplay: "exceptZero",
        minimumFractionDigits: digits,
        maximumFractionDigits: digits,
      }),
  );
  return trueMinus(format.format(share * 100)) + (language === "ja" ? "%" : "\u00a0%");
}

/** "38 %", a part of a whole; "—" for unknown. */
export function formatShare(language: Language, share: number | null): string {
  return formatPercent(language, share).replace("+", "");
}

/** The text of a key, with its places filled. */
export function translate(
  language: Language,
  key: MessageKey,
  parameters: Parameters = {},
): string {
  const message = MESSAGES[language][key];
  let text: string;
  if (typeof message === "string") {
    text = message;
  } else {
    const rules = keep(plurals, language, () => new Intl.PluralRules(localeOf(language)));
    const form = rules.select(Number(parameters["count"] ?? 0));
    text = message[form] ?? message.other;
  }
  return text.replace(/\{(\w+)\}/g, (place, name: string) => {
    const value = parameters[name];
    if (value === undefined) return place;
    return typeof value === "number" ? formatCount(language, value) : value;
  });
}
