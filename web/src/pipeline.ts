// Why we cannot count, for people: in the reader's words where there are any.
import type { StatusAnswer } from "./api/types";
import { MESSAGES, type MessageKey, type Parameters } from "./i18n/translate";

type Translate = (key: MessageKey, parameters?: Parameters) => string;

/** The words for a gap's cause; a cause that the page does not know yet as the server has it. */
export function causeOf(cause: string, t: Translate): string {
  const key = `cause.${cause}`;
  return key in MESSAGES.en ? t(key as MessageKey) : cause.replaceAll("_", " ");
}

/**
 * What keeps us from counting: the gaps that last, each with the time of its beginning as `when`
 * writes it, else what the server says.
 */
export function reasonsOf(
  status: Pick<StatusAnswer, "gaps" | "why">,
  t: Translate,
  when: (at: string) => string,
): string[] {
  const lasting = status.gaps.filter((gap) => (gap.to ?? null) === null);
  if (lasting.length === 0) return status.why;
  const reasons = lasting.map((gap) =>
    t("pipeline.since", { cause: causeOf(gap.cause, t), time: when(gap.from) }),
  );
  return [...new Set(reasons)];
}

/** A stage on a heartbeat's way, and how long it takes to get there from the one before. */
export interface Stage {
  name: "devices" | "broker" | "ingest" | "database" | "hours" | "datadog";
  /** Null: cannot be told, or is not in use. */
  fine: boolean | null;
  /** How old what arrived last is; null where that is not known. */
  lagMs: number | null;
}

/** With an older watermark nothing can be said about now. */
const LAG_MAX_MS = 60_000;
/** Somewhere an hour ends every hour, and is closed within minutes. */
const CLOSE_MAX_MS = 75 * 60_000;
/** Something is sent every minute. */
const SENT_MAX_MS = 3 * 60_000;

/** The way of a heartbeat, from the devices to Datadog, as the status has it. */
export function stagesOf(status: StatusAnswer, heardAt: number | null, now: number): Stage[] {
  const since = (at: string | null | undefined) =>
    at === null || at === undefined ? null : Math.max(0, now - Date.parse(at));
  const within = (ms: number | null, most: number) => (ms === null ? null : ms <= most);
  const slots = status.ingest;
  const lags = slots.map((slot) => slot.watermark_lag_secs ?? null);
  const lagMs =
    lags.includes(null) || lags.length === 0 ? null : Math.max(...lags.map(Number)) * 1000;
  const closedMs = since(status.last_close);
  const sentMs = since(status.agent.last_sent_at);
  return [
    // Devices that say nothing are no fault of the pipeline's.
    { name: "devices", fine: null, lagMs: heardAt === null ? null : Math.max(0, now - heardAt) },
    {
      name: "broker",
      fine: slots.length === 0 ? null : slots.every((slot) => slot.connected),
      lagMs: null,
    },
    { name: "ingest", fine: within(lagMs, LAG_MAX_MS), lagMs },
    { name: "database", fine: status.postgres.ok, lagMs: null },
    { name: "hours", fine: within(closedMs, CLOSE_MAX_MS), lagMs: closedMs },
    { name: "datadog", fine: within(sentMs, SENT_MAX_MS), lagMs: sentMs },
  ];
}
