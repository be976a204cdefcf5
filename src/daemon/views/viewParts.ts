/**
 * What the areas of the view are made from.
 */
import type { Discovery } from "../../discovery/seams.ts";
import type { RunningNode } from "../lifecycle.ts";
import type { NodeParts } from "../parts.ts";
import type { ReloadOutcome } from "../reloader.ts";
import type { Supervisor } from "../supervisor.ts";

export interface ViewParts {
  readonly parts: NodeParts;
  readonly node: RunningNode;
  readonly discovery: Discovery | null;
  readonly supervisor: Supervisor;
  /** Monotonic time of the start, in milliseconds. */
  readonly startedAtMs: number;
  readonly reload: () => Promise<ReloadOutcome>;
}
