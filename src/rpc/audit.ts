/**
 * What the audit is told: who asked for which change, and what came of it.
 */
import type { ErrorCode } from "../core/errors.ts";
import type { Caller } from "./caller.ts";
import type { Params } from "./protocol.ts";

export interface AuditRecord {
  readonly caller: Caller;
  readonly method: string;
  /** As they were sent: whoever writes them down takes out what is secret. None of a call that was refused for its role. */
  readonly params: Params;
  readonly outcome: "ok" | ErrorCode;
}

/** Called once for each call of a changing method, before its answer is sent. Must not throw. */
export type Audit = (record: AuditRecord) => void;
