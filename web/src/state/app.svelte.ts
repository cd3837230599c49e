// What every page shares: the address, the language, the zone, the theme, the clock, the API.
import { flushSync } from "svelte";
import { createClient } from "../api/client";
import { chooseLanguage, localeOf, type Language } from "../i18n/languages";
import {
  formatCount,
  formatDifference,
  formatPercent,
  formatShare,
  translate,
  type MessageKey,
  type Parameters,
} from "../i18n/translate";
import {
  hasRange,
  hrefOf,
  parseRoute,
  searchOf,
  sharedHref,
  withParameters,
  type Changes,
  type Route,
} from "../router";
import { parseRange, rangeParameters, stretchOf } from "../time/range";
import { parseZoneChoice } from "../time/zone-choice";
import { MINUTE_MS, SECOND_MS } from "../time/zones";

// ---- the address ----

let address = $state.raw({ path: location.pathname, query: new URLSearchParams(location.search) });

function readAddress() {
  address = { path: location.pathname, query: new URLSearchParams(location.search) };
}

const route = $derived(parseRoute(address.path));
const zoneChoice = $derived(parseZoneChoice(address.query.get("tz")));
const range = $derived(parseRange(address.query));

export const view = {
  get route(): Route {
    return route;
  },
  get query(): URLSearchParams {
    return address.query;
  },
  get zoneChoice() {
    return zoneChoice;
  },
  /** The stretch of time that is asked for. */
  get range() {
    return range;
  },
};

/** The address of a page, with language and zone as they are now. */
export function href(to: Route): string {
  return hrefOf(to, address.query);
}

/** Changes the query as one step in the browser's history, so that "back" takes it back. */
export function setParameters(changes: Changes) {
  const search = searchOf(withParameters(address.query, changes));
  if (search === searchOf(address.query)) return;
  history.pushState(null, "", location.pathname + search + location.hash);
  readAddress();
}

/** The whole address of what is shown now, the same for everybody. */
export function sharedLink(zone: string): string {
  const stretch = stretchOf(range, Math.floor(serverNow() / MINUTE_MS) * MINUTE_MS);
  const path = sharedHref({
    route,
    query: address.query,
    zone,
    range: hasRange(route) ? rangeParameters({ kind: "fixed", ...stretch }) : null,
  });
  return location.origin + path;
}

function onClick(event: MouseEvent) {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  if (link === null || link.target !== "" || link.hasAttribute("download")) return;
  const to = new URL(link.href, location.href);
  // What is no page of ours (the API, its description) is the browser's business.
  if (to.origin !== location.origin || parseRoute(to.pathname).page === "not-found") return;
  if (to.hash !== "" && to.pathname === location.pathname) return;
  event.preventDefault();
  history.pushState(null, "", to.pathname + to.search);
  readAddress();
  scrollTo(0, 0);
  // A reader of screens hears the new page's name.
  requestAnimationFrame(() => document.querySelector<HTMLElement>("h1")?.focus());
}

// ---- the language ----

const language = $derived(chooseLanguage(address.query.get("lang"), navigator.languages));

export const speech = {
  get language(): Language {
    return language;
  },
  get locale(): string {
    return localeOf(language);
  },
};

/** The text of a key in the reader's language. */
export function t(key: MessageKey, parameters?: Parameters): string {
  return translate(language, key, parameters);
}
export const count = (value: number | null | undefined) => formatCount(language, value);
export const difference = (value: number | null) => formatDifference(language, value);
export const shareText = (share: number | null) => formatShare(language, share);
export const percent = (share: number | null) => formatPercent(language, share);

// ---- the theme ----

export type ThemeChoice = "system" | "light" | "dark";
const THEME_KEY = "theme";
const darkSystem = matchMedia("(prefers-color-scheme: dark)");

function storedTheme(): ThemeChoice {
  try {
    const stored = localStorage.getItem(THEME_KEY);
    return stored === "light" || stored === "dark" ? stored : "system";
  } catch {
    // Storage may be forbidden; then the choice lasts as long as the page.
    return "system";
  }
}

let themeChoice = $state<ThemeChoice>(storedTheme());
let systemIsDark = $state(darkSystem.matches);
/** Paper is white. */
let printing = $state(false);
const dark = $derived(
  !printing && (themeChoice === "system" ? systemIsDark : themeChoice === "dark"),
);

export const theme = {
  get choice(): ThemeChoice {
    return themeChoice;
  },
  set choice(choice: ThemeChoice) {
    themeChoice = choice;
    try {
      if (choice === "system") localStorage.removeItem(THEME_KEY);
      else localStorage.setItem(THEME_KEY, choice);
    } catch {
      // See storedTheme.
    }
  },
  get dark(): boolean {
    return dark;
  },
  /** Whether the page is on its way to paper. */
  get printing(): boolean {
    return printing;
  },
};

// ---- the clock ----

/** A clock that differs from the server's by less is right: answers take time to travel. */
const CLOCK_TOLERANCE_MS = 2_000;
let serverAheadMs = 0;

function serverNow(): number {
  return Date.now() + serverAheadMs;
}

let tick = $state(serverNow());
let readerZone = $state(Intl.DateTimeFormat().resolvedOptions().timeZone);

export const time = {
  /** Now by the server's clock; moves every second while the page is visible. */
  get now(): number {
    return tick;
  },
  /** The zone of the reader's computer. */
  get mine(): string {
    return readerZone;
  },
  /** What the server's clock shows at an instant of this computer's. */
  byServer(at: number): number {
    return at + serverAheadMs;
  },
};

/** Now by the server's clock, not watched. */
export { serverNow };

// ---- the API ----

export const api = createClient({
  fetch: (input, init) => fetch(input, init),
  onServerClock(aheadMs) {
    serverAheadMs = Math.abs(aheadMs) > CLOCK_TOLERANCE_MS ? aheadMs : 0;
  },
});

/** Begins to listen to the browser; returns what ends it. */
export function start(): () => void {
  const stopEffects = $effect.root(() => {
    $effect(() => {
      document.documentElement.lang = language;
    });
    $effect(() => {
      document.documentElement.dataset["theme"] = dark ? "dark" : "light";
    });
  });
  const onSystemTheme = () => (systemIsDark = darkSystem.matches);
  const onTick = () => {
    if (document.visibilityState === "visible") tick = serverNow();
  };
  const onVisible = () => {
    onTick();
    readerZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  };
  const onPrint = (event: Event) => flushSync(() => (printing = event.type === "beforeprint"));
  window.addEventListener("beforeprint", onPrint);
  window.addEventListener("afterprint", onPrint);
  darkSystem.addEventListener("change", onSystemTheme);
  window.addEventListener("popstate", readAddress);
  document.addEventListener("click", onClick);
  document.addEventListener("visibilitychange", onVisible);
  const timer = setInterval(onTick, SECOND_MS);
  return () => {
    stopEffects();
    clearInterval(timer);
    window.removeEventListener("beforeprint", onPrint);
    window.removeEventListener("afterprint", onPrint);
    darkSystem.removeEventListener("change", onSystemTheme);
    window.removeEventListener("popstate", readAddress);
    document.removeEventListener("click", onClick);
    document.removeEventListener("visibilitychange", onVisible);
  };
}
