// The state of the pipeline, followed on every page: whether the server is ready and can count.
import type { StatusAnswer } from "../api/types";
import { polling, type Feed } from "../live/feed";
import { Live } from "../live/live.svelte";
import { api } from "./app.svelte";

const EVERY_MS = 5_000;
const EVERY_WHILE_PREPARING_MS = 1_000;

export const pipeline = new Live<StatusAnswer>();

export function pipelineFeed(): Feed<StatusAnswer> {
  let isPreparing = false;
  return polling({
    async load(signal) {
      const status = await api.status(signal);
      isPreparing = (status.preparing ?? null) !== null;
      return status;
    },
    every: () => (isPreparing ? EVERY_WHILE_PREPARING_MS : EVERY_MS),
  });
}
