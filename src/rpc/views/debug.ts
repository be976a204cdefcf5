/**
 * What only those who look for a fault want to know.
 */
import type { PublicKey } from "../../core/types.ts";

export interface ReconcileOutcome {
  readonly durationMs: number;
  readonly changes: number;
  readonly error: string | null;
  /** What fails all the same: of the one peer that was asked for, or all of it. */
  readonly failing: readonly { readonly object: string; readonly reason: string; readonly sinceMs: number }[];
}

export type ProfileKind = "cpu" | "heap";

export interface DebugView {
  /** One whole cycle of the reconciler, which tries again what it would have waited with. Throws ERR_PEER_UNKNOWN. */
  reconcileNow(publicKey?: PublicKey): Promise<ReconcileOutcome>;
  /** How many of what wait, by name. */
  queues(): Readonly<Record<string, number>>;
  /** All that the node knows, for people; the form may change with every release. Nothing secret. */
  dumpState(): Readonly<Record<string, unknown>>;
  /** Samples for so long. The profile as its tools read it: JSON. One at a time: throws ERR_NOT_READY. */
  profile(kind: ProfileKind, seconds: number): Promise<string>;
}
