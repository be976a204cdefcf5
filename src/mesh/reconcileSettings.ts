/** How often the reconciler looks, and what it gives every peer. */
import type { Backoff } from "./failures.ts";

export interface ReconcileSettings {
  /** How often the interface is looked at when nothing happens. */
  readonly sweepMs: number;
  /** The first look after a change; each further one takes twice as long, up to `sweepMs`. */
  readonly firstLookMs: number;
  /** How long changes are gathered before they are applied as one batch. */
  readonly coalesceMs: number;
  readonly keepaliveSeconds: number;
  /** Pause after a failure of one peer or route; doubles. */
  readonly backoff: Backoff;
}

export const defaultReconcileSettings: ReconcileSettings = {
  sweepMs: 5_000,
  firstLookMs: 100,
  coalesceMs: 5,
  keepaliveSeconds: 25,
  backoff: { firstMs: 1_000, maxMs: 60_000 },
};
