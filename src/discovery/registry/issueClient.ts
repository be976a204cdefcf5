/**
 * The issues of one repository over GitHub's REST API: finds one by its title, and with a token writes it. Whatever the service
 * answers is hostile: bounded in time and size, checked, never followed elsewhere.
 */
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";

/** Node's `fetch`, as far as it is used. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Where the registry is and what may be done there. */
export interface RegistryAccess {
  /** Without a slash at the end: `https://api.github.com`. */
  readonly baseUrl: string;
  /** `owner/name` */
  readonly repository: string;
  /** Null reads only. Never logged. */
  readonly token: string | null;
}

export interface Issue {
  readonly number: number;
  readonly title: string;
  readonly body: string;
}

/** PROTOCOL.md section 8.1. */
const REQUEST_TIMEOUT_MS = 15_000;
/** Ten issues of the largest size, and what the service puts around them. */
const MAX_ANSWER_BYTES = 2 << 20;
const PAGE = 10;

/** What the service refused, or how it failed: no secret is in the text. */
export class RegistryError extends Error {
  /** When to come back, milliseconds from now, if the service said so. */
  readonly retryInMs: number | null;

  constructor(message: string, retryInMs: number | null = null) {
    super(message);
    this.name = "RegistryError";
    this.retryInMs = retryInMs;
  }
}

export class IssueClient {
  readonly #access: RegistryAccess;
  readonly #fetch: Fetch;
  readonly #clock: Clock;

  constructor(access: RegistryAccess, fetch: Fetch, clock: Clock) {
    this.#access = access;
    this.#fetch = fetch;
    this.#clock = clock;
  }

  /** The oldest open issue of exactly that title, so that all nodes take the same; null when there is none. */
  async find(title: string, signal: AbortSignal): Promise<Issue | null> {
    const { repository } = this.#access;
    const query = new URLSearchParams({
      q: `${title} in:title is:issue is:open repo:${repository}`,
      sort: "created",
      order: "asc",
      per_page: String(PAGE),
    });
    const answer = await this.#call("GET", `/search/issues?${query}`, null, signal);
    const items = isObject(answer) && Array.isArray(answer.items) ? answer.items : [];
    return items.map(readIssue).find((issue) => issue?.title === title) ?? null;
  }

  /** Rejects without a token. */
  async create(title: string, body: string, signal: AbortSignal): Promise<void> {
    await this.#call("POST", `/repos/${this.#access.repository}/issues`, { title, body }, signal);
  }

  /** Rejects without a token. */
  async update(number: number, body: string, signal: AbortSignal): Promise<void> {
    await this.#call("PATCH", `/repos/${this.#access.repository}/issues/${number}`, { body }, signal);
  }

  async #call(method: string, path: string, body: object | null, signal: AbortSignal): Promise<unknown> {
    const { baseUrl, token } = this.#access;
    if (method !== "GET" && token === null) throw new RegistryError("writing needs a token");
    const timeout = new AbortController();
    const cancel = this.#clock.after(REQUEST_TIMEOUT_MS, () => timeout.abort());
    try {
      const response = await this.#fetch(`${baseUrl}${path}`, {
        method,
        redirect: "error",
        signal: AbortSignal.any([signal, timeout.signal]),
        headers: {
          accept: "application/vnd.github+json",
          "user-agent": "wgmesh",
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          ...(body === null ? {} : { "content-type": "application/json" }),
        },
        ...(body === null ? {} : { body: JSON.stringify(body) }),
      });
      const text = await readBounded(response);
      if (!response.ok) throw new RegistryError(`HTTP ${response.status}`, retryAfterMs(response));
      return parse(text);
    } catch (error) {
      if (error instanceof RegistryError) throw error;
      if (timeout.signal.aborted) throw new RegistryError(`no answer within ${REQUEST_TIMEOUT_MS / 1000} s`);
      throw new RegistryError(causeOf(error));
    } finally {
      cancel();
    }
  }
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    // Leaving the loop cancels the rest.
    if (bytes > MAX_ANSWER_BYTES)
      throw new RegistryError(`the answer is longer than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RegistryError("the answer is not JSON");
  }
}

function readIssue(item: unknown): Issue | null {
  if (!isObject(item)) return null;
  const { number, title, body } = item;
  const isNumber = typeof number === "number" && Number.isSafeInteger(number) && number > 0;
  if (!isNumber || typeof title !== "string" || typeof body !== "string") return null;
  return { number, title, body };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** Seconds, up to an hour; a date is not worth reading. */
function retryAfterMs({ headers }: Response): number | null {
  const seconds = Number(headers.get("retry-after") ?? Number.NaN);
  return seconds > 0 ? Math.min(seconds, 3600) * 1000 : null;
}

/** `fetch` says only that it failed; the reason is in its cause. */
function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return messageOf(cause) || "the request failed";
}
