/**
 * What the areas of the view are made from.
 */
import type { Operations } from "../../core/operations.ts";
import type { Discovery } from "../../discovery/seams.ts";
import type { RunningNode } from "../lifecycle.ts";
import type { LiveConfiguration, ReloadOutcome } from "../liveConfiguration.ts";
import type { NodeParts } from "../parts.ts";
import type { Supervisor } from "../supervisor.ts";

export interface ViewParts {
  readonly parts: NodeParts;
  readonly node: RunningNode;
  readonly discovery: Discovery | null;
  readonly supervisor: Supervisor;
  readonly operations: Operations;
  /** Monotonic time of the start, in milliseconds. */
  readonly startedAtMs: number;
  readonly configuration: LiveConfiguration;
  /** Of the configuration and of all else that is read again. */
  readonly reload: () => Promise<ReloadOutcome>;
}
