/** The languages of the page. */
export const LANGUAGES = ["en", "ja"] as const;
export type Language = (typeof LANGUAGES)[number];

/** Each by its own name. */
export const LANGUAGE_NAMES: Record<Language, string> = { en: "English", ja: "日本語" };

/** How numbers and dates are written in it. English is that of most readers: day before month. */
export function localeOf(language: Language): string {
  return language === "ja" ? "ja-JP" : "en-GB";
}

/** The language that a text names ("ja", "ja-JP"); null where the page does not speak it. */
export function languageOf(text: string | null | undefined): Language | null {
  const first = text?.toLowerCase().split(/[-_]/)[0];
  return LANGUAGES.find((language) => language === first) ?? null;
}

/** What the address asks for, else the first of the reader's that the page speaks. */
export function chooseLanguage(asked: string | null, reader: readonly string[]): Language {
  const wanted = languageOf(asked);
  if (wanted !== null) return wanted;
  for (const text of reader) {
    const language = languageOf(text);
    if (language !== null) return language;
  }
  return "en";
}
