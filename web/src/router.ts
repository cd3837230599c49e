// Which page an address names, and which address names a page. The view's state is in the
// query, so that a link shows to everybody what it showed to who sent it.

export type Route =
  | { page: "countries" }
  | { page: "country"; country: string }
  | { page: "carrier"; country: string; carrier: string }
  | { page: "device"; device: string }
  | { page: "status" }
  | { page: "not-found"; path: string };

/** The page of a path. Case and a slash at the end do not matter, but in a device's id case does. */
export function parseRoute(path: string): Route {
  const trimmed = path.replace(/\/+$/, "");
  if (trimmed === "") return { page: "countries" };
  if (trimmed === "/status") return { page: "status" };
  const [, country, carrier] = /^\/c\/([a-z]{2})(?:\/([a-z0-9][a-z0-9_-]*))?$/i.exec(trimmed) ?? [];
  if (country !== undefined && carrier !== undefined) {
    return { page: "carrier", country: country.toLowerCase(), carrier: carrier.toLowerCase() };
  }
  if (country !== undefined) return { page: "country", country: country.toLowerCase() };
  const device = /^\/d\/((?:[a-z0-9._:-]|%3a)+)$/i.exec(trimmed)?.[1]?.replace(/%3a/gi, ":");
  if (device !== undefined && device.length <= DEVICE_ID_MAX) return { page: "device", device };
  return { page: "not-found", path };
}

const DEVICE_ID_MAX = 64;

/** The path of a page. */
export function pathOf(route: Route): string {
  switch (route.page) {
    case "countries":
      return "/";
    case "country":
      return `/c/${route.country}`;
    case "carrier":
      return `/c/${route.country}/${route.carrier}`;
    case "device":
      return `/d/${route.device}`;
    case "status":
      return "/status";
    case "not-found":
      return route.path;
  }
}

/** What of the query goes along from page to page. */
const CARRIED = ["tz", "lang"] as const;
/** What goes along to pages that show a stretch of time. */
const CARRIED_RANGE = ["range", "from", "to"] as const;

/** The address of a page, with what of the present query goes along. */
export function hrefOf(route: Route, query: URLSearchParams): string {
  const kept = new URLSearchParams();
  const names = hasRange(route) ? [...CARRIED_RANGE, ...CARRIED] : CARRIED;
  for (const name of names) {
    const value = query.get(name);
    if (value !== null) kept.set(name, value);
  }
  return pathOf(route) + searchOf(kept);
}

/** Whether a page shows a stretch of time that its reader chooses. */
export function hasRange(route: Route): boolean {
  return route.page === "country" || route.page === "carrier";
}

/** What is set in a query, and what is taken out of it: the latter is null. */
export type Changes = Record<string, string | null>;

/** A query with some values changed. */
export function withParameters(query: URLSearchParams, changes: Changes): URLSearchParams {
  const changed = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) changed.delete(name);
    else changed.set(name, value);
  }
  return changed;
}

/** "?a=b", or nothing. "Asia/Tokyo" and "10:00" stay readable. */
export function searchOf(query: URLSearchParams): string {
  const text = query.toString().replaceAll("%2F", "/").replaceAll("%3A", ":");
  return text === "" ? "" : `?${text}`;
}

/** What a link that is given to others has to say, so that it shows them the same. */
export interface SharedView {
  route: Route;
  query: URLSearchParams;
  /** The zone of the times on the page, by its IANA name. */
  zone: string;
  /** The stretch of time on the page, as the query has it; null for pages without one. */
  range: Changes | null;
}

/**
 * The address that shows the same to everybody: "the last 24 hours" become two instants, and "my
 * zone" its name. The language is in it only if the reader has chosen one; else it follows who
 * opens it.
 */
export function sharedHref({ route, query, zone, range }: SharedView): string {
  const language = query.get("lang");
  const by = query.get("by");
  const shared = withParameters(new URLSearchParams(), { ...range, by, tz: zone, lang: language });
  return pathOf(route) + searchOf(shared);
}
