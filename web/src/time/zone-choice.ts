// Which clock the times of a page follow.
import { isZone } from "./zones";

/** The country's clock, the reader's, UTC, or a zone by its IANA name (in shared links). */
export type ZoneChoice =
  { kind: "country" } | { kind: "mine" } | { kind: "utc" } | { kind: "named"; zone: string };

/** The choice in `?tz=`; the country's clock where it says nothing usable. */
export function parseZoneChoice(text: string | null): ZoneChoice {
  if (text === null || text === "" || text === "country") return { kind: "country" };
  if (text === "mine") return { kind: "mine" };
  if (text.toLowerCase() === "utc") return { kind: "utc" };
  return isZone(text) ? { kind: "named", zone: text } : { kind: "country" };
}

/** The value of `?tz=` for a choice; null for what needs none. */
export function zoneParameter(choice: ZoneChoice): string | null {
  if (choice.kind === "country") return null;
  return choice.kind === "named" ? choice.zone : choice.kind;
}

/** The zone that a choice means in a country. */
export function zoneOf(choice: ZoneChoice, country: string, mine: string): string {
  switch (choice.kind) {
    case "country":
      return country;
    case "mine":
      return mine;
    case "utc":
      return "UTC";
    case "named":
      return choice.zone;
  }
}
