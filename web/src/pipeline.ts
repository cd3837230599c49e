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
