// Physical quantities as people read them. Units are the same in every language.
import { UNKNOWN } from "../i18n/translate";

/** "11.90 V"; "—" where it is not known. */
export function voltageText(millivolts: number | null): string {
  return millivolts === null ? UNKNOWN : `${(millivolts / 1000).toFixed(2)} V`;
}

/** "−98 dBm"; "—" where it is not known. */
export function dbmText(level: number | null): string {
  return level === null ? UNKNOWN : `${String(level).replace("-", "−")} dBm`;
}
