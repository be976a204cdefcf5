/**
 * What happened: events, the log, the audit.
 */
import type { AuditPage, AuditQuery } from "../../core/audit.ts";
import type { EventFilter, KeptEvent } from "../../core/events.ts";
import type { LogFilter, LogLine } from "../../core/logLine.ts";

export interface SeeingView {
  /** The last events that pass, the oldest first. */
  events(filter: EventFilter): KeptEvent[];
  /** Calls back for each further one; the returned function ends that. */
  followEvents(filter: EventFilter, listener: (event: KeptEvent) => void): () => void;
  /** The last `limit` lines that pass, the oldest first. */
  logLines(filter: LogFilter, limit: number): LogLine[];
  followLog(filter: LogFilter, listener: (line: LogLine) => void): () => void;
  /** Rejects with ERR_STATE_UNREADABLE. */
  auditEntries(query: AuditQuery): Promise<AuditPage>;
}
