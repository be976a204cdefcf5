/**
 * What a daemon that crashed leaves on the host for the sake of routes, for when no start follows that would undo it.
 */
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import type { LocationOptions } from "../config/options.ts";
import { asOwnerOf } from "../core/asOwner.ts";
import { systemClock } from "../core/clock.ts";
import { silentLog } from "../core/log.ts";
import { TroubleRegistry } from "../observe/troubles.ts";
import { HostRouting } from "./hostRouting.ts";
import { hostSystem } from "./hostSystem.ts";

/**
 * Puts forwarding, policy rules and masquerading back as they were. Resolves to whether there was anything; false too when a daemon
 * has the interface or the files after all, and for a user who may not write the files. Rejects with ERR_STATE_PERMISSIONS, ERR_STATE_DAMAGED, ERR_SYSTEM, ERR_PERMISSION.
 */
export async function undoLeftovers({
  interfaceName,
  runDir,
}: Pick<LocationOptions, "interfaceName" | "runDir">): Promise<boolean> {
  if (!isWritable(runDir)) return false;
  const { locks } = hostSystem;
  const name = locks.acquireName(interfaceName);
  if (typeof name === "number") return false;
  try {
    // In a folder of the service's user the lock is his.
    const files = asOwnerOf(runDir, () => locks.acquireFile(join(runDir, `${interfaceName}.lock`)));
    if (files === null) return false;
    try {
      const options = { interfaceName, runDir, exitNode: null, exitNodeOnly: false };
      const troubles = new TroubleRegistry(systemClock, silentLog);
      const parts = { options, troubles, system: hostSystem, clock: systemClock, log: silentLog };
      return await new HostRouting(parts, [], { stateOf: () => null }).recover();
    } finally {
      files.release();
    }
  } finally {
    name.release();
  }
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
