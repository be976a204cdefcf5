/**
 * What happened: events, the log, the audit.
 */
import type { AuditEntry } from "../../core/audit.ts";
import { WgmeshError } from "../../core/errors.ts";
import { EVENT_TYPES, type EventFilter, type EventType, type KeptEvent } from "../../core/events.ts";
import { LOG_LEVELS, type LogLevel } from "../../core/log.ts";
import type { LogFilter, LogLine } from "../../core/logLine.ts";
import { type PublicKey, parsePublicKey } from "../../core/types.ts";
import type { Params } from "../protocol.ts";
import type { MethodRows } from "./method.ts";

export interface EventResult {
  readonly id: number;
  /** RFC 3339 with milliseconds. */
  readonly at: string;
  readonly type: EventType;
  /** Public key of the peer it is about, or null. */
  readonly peer: string | null;
  readonly hostname: string | null;
  readonly data: KeptEvent["data"];
}

export interface EventsResult {
  readonly events: readonly EventResult[];
}

export interface LogsResult {
  readonly lines: readonly LogLine[];
}

export interface AuditResult {
  /** The oldest first. */
  readonly entries: readonly AuditEntry[];
  /** There are older ones: ask for those before the time of the first. */
  readonly more: boolean;
}

const DEFAULT_LIMIT = 100;
/** All that is kept in memory. */
const MAX_LIMIT = 2_000;
/** The files keep more: the rest comes page by page. */
const MAX_AUDIT_LIMIT = 1_000;

/** Name of the notifications of all of these. */
const NOTIFICATION = "event";

export const seeingMethods = {
  "events.list": {
    role: "readonly",
    call: ({ view }, params): EventsResult => {
      const limit = limitOf(params, MAX_LIMIT, MAX_LIMIT);
      const events = view.events(eventFilter(params));
      // Not slice(-limit), which gives all of them for none.
      return { events: events.slice(Math.max(0, events.length - limit)).map(eventResult) };
    },
  },

  "events.follow": {
    role: "readonly",
    follows: true,
    call: ({ view, notify, signal }, params): EventsResult => {
      const filter = eventFilter(params);
      const before = params.since === undefined && params.after === undefined ? [] : view.events(filter);
      const end = view.followEvents(filter, (event) => notify(NOTIFICATION, eventResult(event)));
      signal.addEventListener("abort", end, { once: true });
      return { events: before.map(eventResult) };
    },
  },

  "logs.list": {
    role: "readonly",
    call: ({ view }, params): LogsResult => ({
      lines: view.logLines(logFilter(params), limitOf(params, DEFAULT_LIMIT, MAX_LIMIT)),
    }),
  },

  "logs.follow": {
    role: "readonly",
    follows: true,
    call: ({ view, notify, signal }, params): LogsResult => {
      const filter = logFilter(params);
      const lines = view.logLines(filter, limitOf(params, 10, MAX_LIMIT));
      const end = view.followLog(filter, (line) => notify(NOTIFICATION, line));
      signal.addEventListener("abort", end, { once: true });
      return { lines };
    },
  },

  "audit.list": {
    role: "readonly",
    call: ({ view }, params): Promise<AuditResult> =>
      view.auditEntries({
        sinceMs: timeOf(params, "since") ?? 0,
        beforeMs: timeOf(params, "before") ?? null,
        limit: limitOf(params, DEFAULT_LIMIT, MAX_AUDIT_LIMIT),
      }),
  },
} as const satisfies MethodRows;

function eventResult({ id, atMs, type, peer, hostname, data }: KeptEvent): EventResult {
  return {
    id,
    at: new Date(atMs).toISOString(),
    type,
    peer: peer ?? null,
    hostname: hostname ?? null,
    data,
  };
}

function eventFilter(params: Params): EventFilter {
  const { types, after } = params;
  const [peer, sinceMs] = [peerOf(params), timeOf(params, "since")];
  if (after !== undefined && !Number.isSafeInteger(after)) throw refused("after", "is the id of an event");
  return {
    ...(types === undefined ? {} : { types: typesOf(types) }),
    ...(peer === undefined ? {} : { peer }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(after === undefined ? {} : { afterId: after as number }),
  };
}

/** `peer` stands for all that begin with `peer.`. */
function typesOf(value: unknown): EventType[] {
  if (!Array.isArray(value)) throw refused("types", "is a list of types");
  const types = value.flatMap((name: unknown) => {
    const found = EVENT_TYPES.filter((type) => type === name || type.startsWith(`${String(name)}.`));
    if (found.length === 0) throw refused("types", `has no ${JSON.stringify(name)}`);
    return found;
  });
  // Each event is held against all of them: a line full of repeats must cost no more than one.
  return [...new Set(types)];
}

function peerOf({ peer }: Params): PublicKey | undefined {
  if (peer === undefined) return undefined;
  const key = typeof peer === "string" ? parsePublicKey(peer) : null;
  if (key === null) throw refused("peer", "is a public key");
  return key;
}

function timeOf(params: Params, name: "since" | "before"): number | undefined {
  const value = params[name];
  if (value === undefined) return undefined;
  const timeMs = typeof value === "string" ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(timeMs)) throw refused(name, "is a time as in RFC 3339");
  return timeMs;
}

function logFilter({ level, module }: Params): LogFilter {
  if (level !== undefined && !LOG_LEVELS.includes(level as LogLevel)) {
    throw refused("level", `is one of ${LOG_LEVELS.join(", ")}`);
  }
  if (module !== undefined && typeof module !== "string") throw refused("module", "is a name");
  return {
    ...(level === undefined ? {} : { level: level as LogLevel }),
    ...(module === undefined ? {} : { module }),
  };
}

function limitOf({ limit }: Params, otherwise: number, most: number): number {
  if (limit === undefined) return otherwise;
  if (!Number.isSafeInteger(limit) || (limit as number) < 0 || (limit as number) > most) {
    throw refused("limit", `is a whole number up to ${most}`);
  }
  return limit as number;
}

const refused = (name: string, rule: string): WgmeshError =>
  new WgmeshError("ERR_RPC_PARAMS", `parameter '${name}' ${rule}`);
