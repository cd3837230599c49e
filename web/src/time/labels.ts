// How times are written. Zones are named by place and offset ("Manila, UTC+8"): "PST" is Manila
// to one reader and California to the next.
import { localeOf, type Language } from "../i18n/languages";
import { DAY_MS, offsetLabel, offsetMinutes, type Instant } from "./zones";

/** Japanese names of the places that zones are named after. Others are shown as the zone has them. */
const PLACES_JA: Record<string, string> = {
  "Asia/Bangkok": "バンコク",
  "Asia/Calcutta": "コルカタ",
  "Asia/Colombo": "コロンボ",
  "Asia/Dhaka": "ダッカ",
  "Asia/Ho_Chi_Minh": "ホーチミン",
  "Asia/Hong_Kong": "香港",
  "Asia/Jakarta": "ジャカルタ",
  "Asia/Jayapura": "ジャヤプラ",
  "Asia/Karachi": "カラチ",
  "Asia/Kathmandu": "カトマンズ",
  "Asia/Katmandu": "カトマンズ",
  "Asia/Kolkata": "コルカタ",
  "Asia/Kuala_Lumpur": "クアラルンプール",
  "Asia/Makassar": "マカッサル",
  "Asia/Manila": "マニラ",
  "Asia/Phnom_Penh": "プノンペン",
  "Asia/Rangoon": "ヤンゴン",
  "Asia/Saigon": "ホーチミン",
  "Asia/Seoul": "ソウル",
  "Asia/Shanghai": "上海",
  "Asia/Singapore": "シンガポール",
  "Asia/Taipei": "台北",
  "Asia/Tokyo": "東京",
  "Asia/Vientiane": "ビエンチャン",
  "Asia/Yangon": "ヤンゴン",
  "Africa/Cairo": "カイロ",
  "Africa/Johannesburg": "ヨハネスブルグ",
  "Africa/Lagos": "ラゴス",
  "Africa/Nairobi": "ナイロビ",
  "America/Los_Angeles": "ロサンゼルス",
  "America/Mexico_City": "メキシコシティ",
  "America/New_York": "ニューヨーク",
  "America/Sao_Paulo": "サンパウロ",
  "Australia/Sydney": "シドニー",
  "Europe/Berlin": "ベルリン",
  "Europe/London": "ロンドン",
  "Europe/Paris": "パリ",
};

const UTC_NAMES = new Set(["UTC", "Etc/UTC", "Etc/GMT", "GMT", "Etc/UCT", "Zulu", "Etc/Zulu"]);

/** Whether the zone is UTC by one of its names. */
export function isUtc(zone: string): boolean {
  return UTC_NAMES.has(zone);
}

/** The place that a zone is named after: "Manila", "Buenos Aires". */
export function placeOf(zone: string, language: Language): string {
  if (isUtc(zone)) return "UTC";
  const japanese = language === "ja" ? PLACES_JA[zone] : undefined;
  if (japanese !== undefined) return japanese;
  return (zone.split("/").at(-1) ?? zone).replaceAll("_", " ");
}

/** "Manila, UTC+8" or "マニラ、UTC+8"; the offset is that of the instant. */
export function zoneLabel(zone: string, at: Instant, language: Language): string {
  if (isUtc(zone)) return "UTC";
  const comma = language === "ja" ? "、" : ", ";
  return placeOf(zone, language) + comma + offsetLabel(offsetMinutes(zone, at));
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(language: Language, zone: string, options: Intl.DateTimeFormatOptions) {
  const key = `${language}/${zone}/${JSON.stringify(options)}`;
  let known = formats.get(key);
  if (known === undefined) {
    known = new Intl.DateTimeFormat(localeOf(language), {
      timeZone: zone,
      hourCycle: "h23",
      ...options,
    });
    formats.set(key, known);
  }
  return known;
}

/** "10:31" */
export function clock(zone: string, at: Instant, language: Language): string {
  return format(language, zone, { hour: "2-digit", minute: "2-digit" }).format(at);
}

/** "10:31:05" */
export function clockSeconds(zone: string, at: Instant, language: Language): string {
  return format(language, zone, {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  }).format(at);
}

/** "Sat 21 Nov" or "11/21(土)" */
export function day(zone: string, at: Instant, language: Language): string {
  const month = language === "ja" ? "numeric" : "short";
  const text = format(language, zone, { weekday: "short", day: "numeric", month }).format(at);
  return text.replace(",", "");
}

/** "Sat 21 Nov, 10:31:05" or "11/21(土) 10:31:05" */
export function dayAndClockSeconds(zone: string, at: Instant, language: Language): string {
  const between = language === "ja" ? " " : ", ";
  return day(zone, at, language) + between + clockSeconds(zone, at, language);
}

/** "Sat 21 Nov, 10:31" or "11/21(土) 10:31" */
export function dayAndClock(zone: string, at: Instant, language: Language): string {
  const between = language === "ja" ? " " : ", ";
  return day(zone, at, language) + between + clock(zone, at, language);
}

/** The zones that a time is also written in: the country's and the reader's, as far as they differ. */
export function otherZones(zone: string, country: string | null, mine: string): string[] {
  const wanted = country === null ? [mine] : [country, mine];
  return [...new Set(wanted)].filter((other) => other !== zone);
}

/** A Monday, 1 January 2024, at noon. */
const SOME_MONDAY = Date.UTC(2024, 0, 1, 12);

/** "Mon" or "月"; 1 is Monday. */
export function weekdayName(weekday: number, language: Language): string {
  const at = SOME_MONDAY + (weekday - 1) * DAY_MS;
  return format(language, "UTC", { weekday: "short" }).format(at);
}
