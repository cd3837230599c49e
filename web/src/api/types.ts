// The answers of the API by the names that the page uses. The description calls a field that may
// be null optional; it is always sent, so here it is required: nobody has to ask whether a number
// is `undefined` beside asking whether it is null. In a count, null is "unknown", never 0.
import type { components } from "./schema";

type Schemas = components["schemas"];

/** Whether what is reachable is what should be. A state that the page does not know is shown as learning. */
export type CountryStatus = "learning" | "unknown" | "ok" | "incident";

export type CountryItem = Required<Omit<Schemas["CountryItem"], "status">> & {
  status: CountryStatus;
};
export type CarrierItem = Required<Schemas["CarrierItem"]>;

/** One country with its carriers. */
export type CountryDetail = CountryItem & {
  carriers: CarrierItem[];
  reach_window_secs: number;
};

export type NowItem = Schemas["NowItem"];
export type NowList = Schemas["NowList"];
export type HourItem = Schemas["HourItem"];
export type HourList = Schemas["HourList"];
export type ProblemDetails = Schemas["ProblemDetails"];
export type StatusAnswer = Schemas["StatusAnswer"];
/** What the process is doing before it can answer; the percentage is null while nobody can tell. */
export type Preparing = Schemas["PreparingItem"];

/** What devices are told apart by. */
export const SPLITS = ["region", "partner", "firmware", "rat", "signal"] as const;
export type SplitBy = (typeof SPLITS)[number];
export type SplitItem = Required<Schemas["SplitItem"]>;
export type SplitAnswer = Omit<Schemas["SplitAnswer"], "items"> & { items: SplitItem[] };
export type HeatItem = Schemas["HeatItem"];
export type HeatAnswer = Schemas["HeatAnswer"];
export type MarkItem = Required<Omit<Schemas["MarkItem"], "kind">> & {
  kind: "deploy" | "firmware" | "note" | "maintenance";
};
export type SilentItem = Required<Schemas["SilentItem"]>;
export type SilentList = Omit<Schemas["SilentList"], "items"> & {
  items: SilentItem[];
  next: string | null;
};
export type SegmentItem = Required<Schemas["SegmentItem"]>;
export type PresenceItem = Schemas["PresenceItem"];
export type HeartbeatItem = Required<Schemas["HeartbeatItem"]>;
export type DeviceAnswer = Required<
  Omit<Schemas["DeviceAnswer"], "segments" | "heartbeats" | "presence">
> & {
  segments: SegmentItem[];
  presence: PresenceItem[];
  /** Null where finding them took too long. */
  heartbeats: HeartbeatItem[] | null;
};
