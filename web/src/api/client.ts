import { instantText } from "../time/range";
import type {
  CountryDetail,
  CountryItem,
  DeviceAnswer,
  HeatAnswer,
  HourList,
  MarkItem,
  NowList,
  ProblemDetails,
  SilentList,
  SplitAnswer,
  SplitBy,
  StatusAnswer,
} from "./types";

/** How an answer failed. */
export type ApiErrorKind =
  /** Nobody answered. */
  | "network"
  /** Nobody answered in time. */
  | "timeout"
  /** An answer that says what is wrong. */
  | "http"
  /** An answer that is not what the description promises. */
  | "malformed";

/** An answer that is no data. */
export class ApiError extends Error {
  readonly kind: ApiErrorKind;
  /** The HTTP status; null where there was no answer. */
  readonly status: number | null;
  /** What the server says about it; null where it says nothing. */
  readonly problem: ProblemDetails | null;

  constructor(
    kind: ApiErrorKind,
    message: string,
    status: number | null = null,
    problem: ProblemDetails | null = null,
  ) {
    super(message);
    this.name = "ApiError";
    this.kind = kind;
    this.status = status;
    this.problem = problem;
  }
}

/** A stretch of a country's series. Instants are milliseconds since the Unix epoch. */
export interface SeriesQuery {
  from?: number;
  to?: number;
  carrier?: string;
}

export interface NowQuery extends SeriesQuery {
  /** Minutes per item, 1 to 60. */
  step?: number;
}

export interface SplitQuery {
  by: SplitBy;
  carrier?: string;
}

export interface SilentQuery {
  carrier?: string;
  /** `next` of the page before. */
  cursor?: string;
}

export interface ApiClient {
  countries(signal: AbortSignal): Promise<CountryItem[]>;
  country(country: string, signal: AbortSignal): Promise<CountryDetail>;
  now(country: string, query: NowQuery, signal: AbortSignal): Promise<NowList>;
  hours(country: string, query: SeriesQuery, signal: AbortSignal): Promise<HourList>;
  splits(country: string, query: SplitQuery, signal: AbortSignal): Promise<SplitAnswer>;
  heatmap(country: string, carrier: string | null, signal: AbortSignal): Promise<HeatAnswer>;
  /** Deploys, firmware roll-outs, notes and planned maintenance that touch a stretch of time. */
  marks(country: string, query: SeriesQuery, signal: AbortSignal): Promise<MarkItem[]>;
  /** Only for operators; the look is noted. */
  silent(country: string, query: SilentQuery, signal: AbortSignal): Promise<SilentList>;
  /** Only for operators; the look is noted. */
  device(id: string, signal: AbortSignal): Promise<DeviceAnswer>;
  status(signal: AbortSignal): Promise<StatusAnswer>;
}

export interface ClientOptions {
  fetch: typeof fetch;
  /** After this long without a whole answer the request is given up. */
  timeoutMs?: number;
  /** Told how far the server's clock is ahead of this one, in milliseconds. */
  onServerClock?: (aheadMs: number) => void;
}

const TIMEOUT_MS = 10_000;

/** Deploys, firmware and maintenance in one range: as many as the API gives at once. */
const MAX_MARKS = 1000;

/** The `Date` header has whole seconds; the middle of one is the best guess. */
const DATE_HEADER_MIDDLE_MS = 500;

export function createClient(options: ClientOptions): ApiClient {
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;

  async function get<T>(path: string, signal: AbortSignal): Promise<T> {
    const controller = new AbortController();
    let timedOut = false;
    const giveUp = setTimeout(() => {
      timedOut = true;
      controller.abort();
    }, timeoutMs);
    const forward = () => controller.abort();
    if (signal.aborted) forward();
    signal.addEventListener("abort", forward, { once: true });
    const askedAt = Date.now();
    try {
      const response = await options.fetch(path, {
        signal: controller.signal,
        headers: { accept: "application/json, application/problem+json" },
        credentials: "same-origin",
      });
      const date = Date.parse(response.headers.get("date") ?? "");
      if (Number.isFinite(date)) {
        const here = (askedAt + Date.now()) / 2;
        options.onServerClock?.(date + DATE_HEADER_MIDDLE_MS - here);
      }
      const body = await readJson(response);
      if (!response.ok) {
        const problem = asProblem(body);
        throw new ApiError(
          "http",
          problem?.detail ?? `HTTP ${response.status}`,
          response.status,
          problem,
        );
      }
      if (body === undefined) {
        throw new ApiError("malformed", `${path} did not answer with JSON`, response.status);
      }
      return body as T;
    } catch (error) {
      // Who asked has gone: that is no failure of the server.
      if (signal.aborted) throw signal.reason;
      if (timedOut) throw new ApiError("timeout", `no answer within ${timeoutMs} ms`);
      if (error instanceof ApiError) throw error;
      throw new ApiError("network", error instanceof Error ? error.message : String(error));
    } finally {
      clearTimeout(giveUp);
      signal.removeEventListener("abort", forward);
    }
  }

  const countryPath = (country: string) => `/api/v1/countries/${encodeURIComponent(country)}`;

  return {
    async countries(signal) {
      const list = await get<{ items?: unknown }>("/api/v1/countries", signal);
      return itemsOf<CountryItem>(list.items, "/api/v1/countries");
    },
    country: (country, signal) => get(countryPath(country), signal),
    async now(country, query, signal) {
      const path = countryPath(country) + "/now";
      const list = await get<NowList>(path + queryOf(query), signal);
      itemsOf(list.items, path);
      return list;
    },
    async hours(country, query, signal) {
      const path = countryPath(country) + "/hours";
      const list = await get<HourList>(path + queryOf(query), signal);
      itemsOf(list.items, path);
      return list;
    },
    async splits(country, query, signal) {
      const path = countryPath(country) + "/splits";
      const answer = await get<SplitAnswer>(path + queryOf(query), signal);
      itemsOf(answer.items, path);
      return answer;
    },
    async heatmap(country, carrier, signal) {
      const path = countryPath(country) + "/heatmap";
      const answer = await get<HeatAnswer>(path + queryOf(carrier ? { carrier } : {}), signal);
      itemsOf(answer.items, path);
      return answer;
    },
    async marks(country, query, signal) {
      const lists = ["annotations", "maintenance"].map(async (kind) => {
        const path = `/api/v1/${kind}`;
        const list = await get<{ items?: unknown }>(
          path + queryOf({ country, limit: MAX_MARKS, ...query }),
          signal,
        );
        return itemsOf<MarkItem>(list.items, path);
      });
      return (await Promise.all(lists)).flat();
    },
    async silent(country, query, signal) {
      const path = countryPath(country) + "/silent";
      const list = await get<SilentList>(path + queryOf(query), signal);
      itemsOf(list.items, path);
      return list;
    },
    device: (id, signal) => get(`/api/v1/devices/${encodeURIComponent(id)}`, signal),
    status: (signal) => get("/api/v1/status", signal),
  };
}

async function readJson(response: Response): Promise<unknown> {
  const type = response.headers.get("content-type") ?? "";
  if (!/[/+]json\b/.test(type)) return undefined;
  const text = await response.text();
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function asProblem(body: unknown): ProblemDetails | null {
  if (typeof body !== "object" || body === null) return null;
  const { title, detail, status, type } = body as Partial<ProblemDetails>;
  if (typeof title !== "string" || typeof detail !== "string") return null;
  return { type: String(type), title, detail, status: Number(status) };
}

function itemsOf<T>(items: unknown, path: string): T[] {
  if (!Array.isArray(items)) throw new ApiError("malformed", `${path} has no items`);
  return items as T[];
}

/** A query: instants are numbers of milliseconds called `from` and `to`; what is left out is undefined. */
function queryOf(query: object): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query) as [string, string | number | undefined][]) {
    const isInstant = typeof value === "number" && (name === "from" || name === "to");
    if (value !== undefined) parameters.set(name, isInstant ? instantText(value) : String(value));
  }
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}
