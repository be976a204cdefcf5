import { auditPath } from "../../config/paths.ts";
import { lastAuditEntries } from "../../core/audit.ts";
import type { SeeingView } from "../../rpc/views/seeing.ts";
import type { ViewParts } from "./viewParts.ts";

export function seeingView({ parts: { events, logRing, options } }: ViewParts): SeeingView {
  return {
    events: (filter) => events.list(filter),
    followEvents: (filter, listener) => events.subscribe(listener, filter),
    logLines: (filter, limit) => logRing.list(filter, limit),
    followLog: (filter, listener) => logRing.subscribe(filter, listener),
    auditEntries: (sinceMs, limit) => lastAuditEntries(auditPath(options), sinceMs, limit),
  };
}
