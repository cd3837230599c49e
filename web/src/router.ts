// Which page an address names, and which address names a page. The view's state is in the
// query, so that a link shows to everybody what it showed to who sent it.

export type Route =
  | { page: "countries" }
  | { page: "country"; country: string }
  | { page: "status" }
  | { page: "not-found"; path: string };

/** The page of a path. Case and a slash at the end do not matter. */
export function parseRoute(path: string): Route {
  const trimmed = path.replace(/\/+$/, "");
  if (trimmed === "") return { page: "countries" };
  if (trimmed === "/status") return { page: "status" };
  const country = /^\/c\/([a-z]{2})$/i.exec(trimmed)?.[1];
  if (country !== undefined) return { page: "country", country: country.toLowerCase() };
  return { page: "not-found", path };
}

/** The path of a page. */
export function pathOf(route: Route): string {
  switch (route.page) {
    case "countries":
      return "/";
    case "country":
      return `/c/${route.country}`;
    case "status":
      return "/status";
    case "not-found":
      return route.path;
  }
}

/** What of the query goes along from page to page. */
const CARRIED = ["tz", "lang"] as const;

/** The address of a page, with what of the present query goes along. */
export function hrefOf(route: Route, query: URLSearchParams): string {
  const kept = new URLSearchParams();
  for (const name of CARRIED) {
    const value = query.get(name);
    if (value !== null) kept.set(name, value);
  }
  return pathOf(route) + searchOf(kept);
}

/** A query with one value set, or taken out where it is null. */
export function withParameter(
  query: URLSearchParams,
  name: string,
  value: string | null,
): URLSearchParams {
  const changed = new URLSearchParams(query);
  if (value === null) changed.delete(name);
  else changed.set(name, value);
  return changed;
}

/** "?a=b", or nothing. A slash in a value ("Asia/Tokyo") stays readable. */
export function searchOf(query: URLSearchParams): string {
  const text = query.toString().replaceAll("%2F", "/");
  return text === "" ? "" : `?${text}`;
}
