/** What is measured of the kernel backend at scale; known on both sides of the VM. */
import type { Step } from "../__test__/vm/scale/population.ts";

/** Numbers of peers; `lists` is two peers with 2,000 allowed IPs each, and two more. */
export const SCALE_SIZES = ["1", "21", "100", "1000", "5000", "lists"] as const;

export interface Row {
  readonly size: string;
  /** `reconcile` is a whole cycle of the daemon's reconciler with nothing to change. */
  readonly step: Step["name"] | "read" | "reconcile";
  /** What `wg` did meanwhile. */
  readonly command: "setconf" | "syncconf" | "show dump";
  /** Milliseconds, in the order taken. */
  readonly ours: readonly number[];
  /** The same of `wg`, from its start to its end. */
  readonly theirs: readonly number[];
  /** What starting `wg` costs of that. */
  readonly startMs: readonly number[];
}
