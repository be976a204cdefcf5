/**
 * What the audit is told: who asked for which change, and what came of it.
 */
import type { ErrorCode } from "../core/errors.ts";
import type { Caller } from "./caller.ts";
import type { Params } from "./protocol.ts";

export interface AuditRecord {
  readonly caller: Caller;
  readonly method: string;
  /** Without secrets: members that a method names secret are {@link HIDDEN}. */
  readonly params: Params;
  readonly outcome: "ok" | ErrorCode;
}

/** Called once for each call of a changing method, before its answer is sent. Must not throw. */
export type Audit = (record: AuditRecord) => void;

const HIDDEN = "(hidden)";

export function withoutSecrets(params: Params, secret: readonly string[]): Params {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name, secret.includes(name) ? HIDDEN : value]),
  );
}
