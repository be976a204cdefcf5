import { auditPath } from "../../config/paths.ts";
import { lastAuditEntries } from "../../core/audit.ts";
import { oneAfterAnother } from "../../core/turns.ts";
import type { SeeingView } from "../../rpc/views/seeing.ts";
import type { ViewParts } from "./viewParts.ts";

/** For the audit; each of them holds a connection. */
const MOST_WAITING = 32;

export function seeingView({ parts: { events, logRing, options } }: ViewParts): SeeingView {
  // It may read 24 MiB: however many ask, one does at a time.
  const inTurn = oneAfterAnother(MOST_WAITING);
  return {
    events: (filter) => events.list(filter),
    followEvents: (filter, listener) => events.subscribe(listener, filter),
    logLines: (filter, limit) => logRing.list(filter, limit),
    followLog: (filter, listener) => logRing.subscribe(filter, listener),
    auditEntries: (query) => inTurn(() => lastAuditEntries(auditPath(options), query)),
  };
}
