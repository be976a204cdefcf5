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
    const known = typeof entry.time === "string" && typeof entry.action === "string";
    return known && typeof entry.actor === "object" ? (entry as AuditEntry) : null;
  } catch {
    return null;
  }
}

/**
 * The last `limit` entries from `sinceMs` (Unix) on, the oldest first, of the file and of those it was rotated to. Throws
 * ERR_STATE_UNREADABLE.
 */
export function lastAuditEntries(path: string, sinceMs: number, limit: number): AuditEntry[] {
  const found: AuditEntry[] = [];
  for (const line of newestLines(path)) {
    const entry = parseAuditLine(line);
    if (entry === null) continue;
    if (found.length >= limit || Date.parse(entry.time) < sinceMs) break;
    found.push(entry);
  }
  return found.reverse();
}
