/**
 * What an earlier run, or an import, left: finished or undone (row C9), or taken over after `wgmesh restart` (row C4).
 */
import { finishImport } from "../backup/commit.ts";
import { journalPath } from "../backup/parts.ts";
import { handoverPath } from "../config/paths.ts";
import { type Handover, takeHandover } from "./handover.ts";
import type { HostRouting } from "./hostRouting.ts";
import { endLeftoverChild } from "./leftoverChild.ts";
import type { NodeParts } from "./parts.ts";

/** Once the locks are held, before the identity is read. Resolves to what this run takes over. Rejects with ERR_STATE_*. */
export async function recover(
  parts: NodeParts,
  routing: Pick<HostRouting, "recover" | "resume">,
): Promise<Handover | null> {
  const { options, version, log } = parts;
  const left = await takeHandover(handoverPath(options), version, log);
  const mine = parts.handover === true ? left : null;
  await (mine === null ? routing.recover() : routing.resume());
  // From its journal on an import counts: the node must not start with half of it.
  const journal = journalPath(options);
  if (await finishImport(journal)) log.warn({ path: journal }, "import that was cut off is finished");
  endLeftoverChild(parts);
  return mine;
}
