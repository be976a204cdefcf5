/**
 * The lock of a node's state files, for a command that changes them while no node runs (instanceLock.ts takes the same).
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { DaemonOptions } from "../config/options.ts";
import { asOwnerOf } from "../core/asOwner.ts";
import { messageOf, WgmeshError } from "../core/errors.ts";
import * as os from "./os.ts";

/** Makes the folder when it is missing; in a folder of another user the lock is his. Throws ERR_ALREADY_RUNNING, ERR_STATE_WRITE. */
export function lockStateFiles({
  interfaceName,
  stateDir,
}: Pick<DaemonOptions, "interfaceName" | "stateDir">): os.HeldLock {
  const path = join(stateDir, `${interfaceName}.lock`);
  let lock: os.HeldLock | null;
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    lock = asOwnerOf(stateDir, () => os.lockFile(path));
  } catch (cause) {
    throw new WgmeshError("ERR_STATE_WRITE", `cannot lock ${path}: ${messageOf(cause)}`, { cause });
  }
  if (lock !== null) return lock;
  throw new WgmeshError(
    "ERR_ALREADY_RUNNING",
    `a node is using the files of ${interfaceName} in ${stateDir}`,
    {
      hint: "stop it with 'wgmesh down', import, and start it again",
    },
  );
}
