// What the numbers of countries say, and in which order they are shown.
import type { CarrierItem, CountryItem } from "./api/types";
import type { MessageKey } from "./i18n/translate";

/** Where heartbeats are counted that could not be placed. */
export const NOWHERE = "zz";

/** Devices whose carrier nobody knows, and those of carriers beyond the cap: no carrier either. */
export function isRest(carrier: string): boolean {
  return carrier === "unknown" || carrier === "other";
}

/** A carrier's name in the reader's words. */
export function carrierName(
  item: Pick<CarrierItem, "carrier" | "name">,
  t: (key: MessageKey) => string,
): string {
  if (item.carrier === "unknown") return t("carriers.unknown");
  if (item.carrier === "other") return t("carriers.other");
  return item.name;
}

/** A drop against last week from which on it is emphasised, as a share. */
export const DROP_TO_NOTE = -0.1;

/** How a number differs from the one a week before; null where either is unknown. */
export interface Change {
  difference: number | null;
  /** Of last week's number; null also where that was 0. */
  share: number | null;
}

export function changeOf(now: number | null, weekAgo: number | null): Change {
  if (now === null || weekAgo === null) return { difference: null, share: null };
  const difference = now - weekAgo;
  return { difference, share: weekAgo > 0 ? difference / weekAgo : null };
}

/** Whether a change is a drop to look at. */
export function isDrop(change: Change): boolean {
  return change.share !== null && change.share <= DROP_TO_NOTE;
}

/** Trouble first: unknown, then drops (the largest first), then by size. `zz` is always last. */
export function byTrouble(a: CountryItem, b: CountryItem): number {
  const rank = rankOf(a) - rankOf(b);
  if (rank !== 0) return rank;
  if (rankOf(a) === Rank.drop) {
    const deeper = shareOf(a) - shareOf(b);
    if (deeper !== 0) return deeper;
  }
  return sizeOf(b) - sizeOf(a) || (a.country < b.country ? -1 : 1);
}

enum Rank {
  unknown,
  drop,
  fine,
  nowhere,
}

function rankOf(item: CountryItem): Rank {
  if (item.country === NOWHERE) return Rank.nowhere;
  if (item.now === null) return Rank.unknown;
  if (item.status === "incident" || isDrop(changeOf(item.now, item.week_ago))) return Rank.drop;
  return Rank.fine;
}

function shareOf(item: CountryItem): number {
  return changeOf(item.now, item.week_ago).share ?? 0;
}

/** Last week's number: it moves slowly, so countries of a size do not swap places all the time. */
function sizeOf(item: CountryItem): number {
  return item.week_ago ?? item.now ?? 0;
}

/**
 * The items in order. While `frozen` holds an order (the pointer is over the list) that order
 * stays, and what is new comes at the end, so that nothing moves away under a finger.
 */
export function orderCountries(
  items: readonly CountryItem[],
  frozen: readonly string[] | null,
): CountryItem[] {
  const sorted = [...items].sort(byTrouble);
  if (frozen === null) return sorted;
  const places = new Map(frozen.map((country, place) => [country, place]));
  const placeOf = (item: CountryItem) => places.get(item.country) ?? frozen.length;
  return sorted.sort((a, b) => placeOf(a) - placeOf(b));
}

/** All countries together. */
export interface Total {
  /** Sum of what is known; null where nothing is. */
  now: number | null;
  /** How many countries are missing in the sum. */
  unknown: number;
  /** Over the countries of which both numbers are known. */
  change: Change;
  silent: number;
}

export function totalOf(items: readonly CountryItem[]): Total {
  const known = items.filter((item) => item.now !== null);
  const both = known.filter((item) => item.week_ago !== null);
  const sum = (numbers: (number | null)[]) => numbers.reduce<number>((s, n) => s + (n ?? 0), 0);
  return {
    now: known.length === 0 ? null : sum(known.map((item) => item.now)),
    unknown: items.length - known.length,
    change:
      both.length === 0
        ? { difference: null, share: null }
        : changeOf(sum(both.map((item) => item.now)), sum(both.map((item) => item.week_ago))),
    silent: sum(items.map((item) => item.silent)),
  };
}
