/** How single steps of a node end (lifecycle.ts). */
import { sleep } from "../core/clock.ts";
import type { InterfaceControl } from "../mesh/interfaceSync.ts";
import { type RouteTable, removeOurRoutes } from "../mesh/routes.ts";
import type { NodeParts } from "./parts.ts";

/** Takes back the routes and what else was changed on the host; the second also when the first fails. */
export async function undoRoutes(
  control: InterfaceControl,
  routeTable: RouteTable,
  routing: { undo(): Promise<void> },
): Promise<void> {
  try {
    // Routes go with their interface.
    if (control.link() !== null) removeOurRoutes(routeTable);
  } finally {
    await routing.undo();
  }
}

/** Waits for the promise, but no longer than the deadline, nor once `hurry` is aborted. */
export async function withDeadline(
  promise: Promise<void>,
  { clock }: Pick<NodeParts, "clock">,
  deadlineMs: number,
  hurry: AbortSignal,
): Promise<void> {
  const done = new AbortController();
  const deadline = sleep(clock, deadlineMs, AbortSignal.any([done.signal, hurry])).catch(() => {});
  try {
    await Promise.race([promise, deadline]);
  } finally {
    done.abort();
  }
}
