/**
 * One node per interface, and one node per set of files (row F2).
 *
 * Three locks, all the kernel's, so that a kill leaves none behind: the interface name within the network namespace, then
 * `<state-dir>/<iface>.lock`, then `<run-dir>/<iface>.lock`. The PID file only informs.
 */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { messageOf, WgmeshError } from "../core/errors.ts";
import { writeFileAtomic } from "../core/files.ts";
import { makeFolderSync } from "../core/folder.ts";
import type { InterfaceName } from "../core/types.ts";

export interface HeldLock {
  release(): void;
}

/** The locks of a node, with its PID files. */
export interface InstanceLock {
  /** @param keepPidFiles a successor with the same PID takes over. */
  release(keepPidFiles?: boolean): void;
}

/** The locks of the addon. */
export interface Locks {
  /** The lock, or the PID of its holder (0 when that cannot be told). */
  acquireName(name: string): HeldLock | number;
  /** Null when another process holds it. */
  acquireFile(path: string): HeldLock | null;
}

export interface InstanceLockOptions {
  readonly locks: Locks;
  readonly interfaceName: InterfaceName;
  readonly stateDir: string;
  readonly runDir: string;
  readonly pidFile: string;
  /** `--pid-file` */
  readonly secondPidFile: string | null;
  readonly pid: number;
  /** Told of a PID file that an earlier run left. */
  readonly onStale?: (pid: number) => void;
}

/**
 * Takes the locks and writes the PID file; the returned lock gives all of it back (lock files stay).
 * Rejects with ERR_ALREADY_RUNNING naming the PID, ERR_STATE_IN_USE, or ERR_STATE_WRITE; nothing is held then.
 */
export async function acquireInstanceLock(options: InstanceLockOptions): Promise<InstanceLock> {
  const held: HeldLock[] = [];
  const pidFiles: string[] = [];
  const release = (keepPidFiles = false): void => {
    // Before the locks: the next node writes its own as soon as it has them.
    for (const path of keepPidFiles ? [] : pidFiles) rmSync(path, { force: true });
    for (const lock of held.splice(0).reverse()) lock.release();
  };
  try {
    held.push(lockName(options));
    makeFolder(options.stateDir, 0o700);
    held.push(lockState(options));
    makeFolder(options.runDir, 0o755);
    held.push(lockRun(options));
    tellStale(options);
    for (const path of [options.pidFile, options.secondPidFile]) {
      if (path === null) continue;
      await writeFileAtomic(path, `${options.pid}\n`, 0o644);
      pidFiles.push(path);
    }
  } catch (error) {
    release();
    throw error;
  }
  return { release };
}

function lockName({ locks, interfaceName, pidFile }: InstanceLockOptions): HeldLock {
  const lock = locks.acquireName(interfaceName);
  if (typeof lock !== "number") return lock;
  throw alreadyRunning(interfaceName, lock === 0 ? readPid(pidFile) : lock);
}

function lockState({ locks, interfaceName, stateDir }: InstanceLockOptions): HeldLock {
  const path = join(stateDir, `${interfaceName}.lock`);
  const lock = tryLock(locks, path);
  if (lock !== null) return lock;
  throw new WgmeshError(
    "ERR_STATE_IN_USE",
    `the files of ${interfaceName} in ${stateDir} are in use by a node of another network namespace`,
  );
}

function lockRun({ locks, interfaceName, runDir, pidFile }: InstanceLockOptions): HeldLock {
  const lock = tryLock(locks, join(runDir, `${interfaceName}.lock`));
  if (lock !== null) return lock;
  const pid = readPid(pidFile);
  const holder = pid === null ? "a node" : `a node with PID ${pid}`;
  throw new WgmeshError(
    "ERR_STATE_IN_USE",
    `the files of ${interfaceName} in ${runDir} are in use by ${holder}`,
    {
      hint: "give this node a --run-dir of its own",
    },
  );
}

function tryLock(locks: Locks, path: string): HeldLock | null {
  try {
    return locks.acquireFile(path);
  } catch (cause) {
    throw new WgmeshError("ERR_STATE_WRITE", `cannot lock ${path}: ${messageOf(cause)}`, { cause });
  }
}

function alreadyRunning(interfaceName: string, pid: number | null): WgmeshError {
  const holder = pid === null ? "" : ` with PID ${pid}`;
  return new WgmeshError("ERR_ALREADY_RUNNING", `a node for ${interfaceName} runs already${holder}`);
}

/** Missing folders are made with this mode; one that exists is left as its owner set it up. */
function makeFolder(path: string, mode: number): void {
  try {
    makeFolderSync(path, mode);
  } catch (cause) {
    throw new WgmeshError("ERR_STATE_WRITE", `cannot make the folder ${path}: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** With the locks ours, whoever is named there has not ended in order; or it is ourselves, after a restart. */
function tellStale({ pidFile, pid, onStale }: InstanceLockOptions): void {
  const before = readPid(pidFile);
  if (before !== null && before !== pid) onStale?.(before);
}

/** The PID in the file, or null when there is none to be read. */
function readPid(pidFile: string): number | null {
  try {
    const pid = Number(readFileSync(pidFile, "utf8").trim());
    return Number.isInteger(pid) && pid > 0 ? pid : null;
  } catch {
    return null;
  }
}
