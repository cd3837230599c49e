// What people have marked on the axis of time: deploys, firmware roll-outs, planned maintenance.
import type { MarkItem } from "../api/types";
import type { Instant } from "../time/zones";

/** A mark, ready to draw. */
export interface Mark {
  from: Instant;
  /** Null: a moment. */
  to: Instant | null;
  /** The number beside the line in the chart and in the list below it. */
  number: number;
  item: MarkItem;
}

/** The marks that touch [from, to] and concern the carrier, oldest first, numbered. */
export function marksIn(
  items: readonly MarkItem[],
  carrier: string | null,
  from: Instant,
  to: Instant,
): Mark[] {
  return items
    .map((item) => ({
      from: Date.parse(item.from),
      to: item.to === null ? null : Date.parse(item.to),
      item,
    }))
    .filter((mark) => mark.from <= to && (mark.to ?? mark.from) >= from)
    .filter(({ item }) => carrier === null || item.carrier === null || item.carrier === carrier)
    .sort((a, b) => a.from - b.from || a.item.id - b.item.id)
    .map((mark, index) => ({ ...mark, number: index + 1 }));
}
