/**
 * The audit: who changed what (row G5). One JSON object a line on the disk, so that it outlives the daemon.
 */
import type { ErrorCode } from "./errors.ts";
import { newestLines } from "./rotatedLines.ts";

/** Who asked. */
export type AuditActor =
  | {
      /** A process of this machine: a caller of the socket (SO_PEERCRED), or the daemon's own at its start. */
      readonly kind: "process";
      readonly uid: number;
      /** As /etc/passwd has it. */
      readonly user: string | null;
      /** Who logged in, where that is known and another: whoever used sudo. */
      readonly login: string | null;
      readonly pid: number;
    }
  /** Whoever holds the RPC token of that name. */
  | { readonly kind: "token"; readonly name: string }
  /** A signal; the kernel does not say whose. */
  | { readonly kind: "signal"; readonly signal: string }
  /** The daemon itself, after a failure. */
  | { readonly kind: "daemon" };

export interface AuditEntry {
  /** RFC 3339 with milliseconds, UTC. */
  readonly time: string;
  readonly actor: AuditActor;
  /** An RPC method, `daemon.start` or `daemon.stop`. */
  readonly action: string;
  /** What was asked for, without secrets. */
  readonly params: Readonly<Record<string, unknown>>;
  /** `ok`, or the code of the error it was refused with. */
  readonly outcome: "ok" | ErrorCode;
}

/** Takes note. Synchronous; never throws. */
export interface Audit {
  note(entry: Omit<AuditEntry, "time">): void;
}

/** The entry of a line; null for one that is none, such as the half line of a machine that lost its power. */
function parseAuditLine(line: string): AuditEntry | null {
  try {
    const entry = JSON.parse(line) as Partial<AuditEntry>;
    const known = LINE_TIME.test(line) && typeof entry.action === "string";
    return known && typeof entry.actor === "object" ? (entry as AuditEntry) : null;
  } catch {
    return null;
  }
}

/** Which entries are wanted; times in Unix milliseconds. */
export interface AuditQuery {
  /** From then on. */
  readonly sinceMs: number;
  /** Before then; null for the newest. */
  readonly beforeMs: number | null;
  /** How many at most. Those of one millisecond are not parted. */
  readonly limit: number;
}

export interface AuditPage {
  /** The oldest first. */
  readonly entries: readonly AuditEntry[];
  /** There are older ones, before the time of the first. */
  readonly more: boolean;
}

/** A page ends where its lines are this long together: params are as long as the callers made them. */
const MAX_PAGE_CHARACTERS = 1024 * 1024;

/** As every line begins: what is no part of a page is passed over without parsing it. */
const LINE_TIME = /^\{"time":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"/;

/**
 * The last entries that are asked for, of the file and of those it was rotated to: read from the end, and no further than needed.
 * Rejects with ERR_STATE_UNREADABLE.
 */
export async function lastAuditEntries(
  path: string,
  { sinceMs, beforeMs, limit }: AuditQuery,
): Promise<AuditPage> {
  const found: AuditEntry[] = [];
  let characters = 0;
  for await (const line of newestLines(path)) {
    const timeMs = Date.parse(LINE_TIME.exec(line)?.[1] ?? "");
    if (beforeMs !== null && timeMs >= beforeMs) continue;
    const entry = parseAuditLine(line);
    if (entry === null) continue;
    if (timeMs < sinceMs) break;
    const full = found.length >= limit || characters >= MAX_PAGE_CHARACTERS;
    if (full && entry.time !== found.at(-1)?.time) return { entries: found.reverse(), more: true };
    found.push(entry);
    characters += line.length;
  }
  return { entries: found.reverse(), more: false };
}
