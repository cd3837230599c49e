import type { MessageKey, Parameters } from "../i18n/translate";

/** How long something is or was, in the largest unit that says enough. */
export function durationText(
  ms: number,
  t: (key: MessageKey, parameters?: Parameters) => string,
): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 90) return t("duration.seconds", { count: seconds });
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return t("duration.minutes", { count: minutes });
  const hours = Math.round(minutes / 60);
  if (hours < 48) return t("duration.hours", { count: hours });
  return t("duration.days", { count: Math.round(hours / 24) });
}
