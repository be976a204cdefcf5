/** Locks that hold whoever takes them to the order of ARCHITECTURE.md, so that two processes can never wait for each other. */
import type { HeldLock, Locks } from "../../../src/daemon/instanceLock.ts";

/** In the order in which one process may take them; those it leaves out do not count. */
export const LOCK_ORDER = [
  "wgmesh up",
  "interface name",
  "state files",
  "run files",
  "Go peer's socket",
] as const;

type LockName = (typeof LOCK_ORDER)[number];

/** The locks of one process. A lock before one that is held, or given back before a later one, is an error. */
export class OrderedLocks implements Locks {
  readonly #locks: Locks;
  readonly #nameOf: (path: string) => LockName;
  readonly #held: LockName[] = [];

  constructor(locks: Locks, nameOf: (path: string) => LockName) {
    this.#locks = locks;
    this.#nameOf = nameOf;
  }

  acquireName(name: string): HeldLock | number {
    this.#check("interface name");
    const lock = this.#locks.acquireName(name);
    return typeof lock === "number" ? lock : this.#take("interface name", lock);
  }

  acquireFile(path: string): HeldLock | null {
    const name = this.#nameOf(path);
    this.#check(name);
    const lock = this.#locks.acquireFile(path);
    return lock && this.#take(name, lock);
  }

  #check(wanted: LockName): void {
    const last = this.#held.at(-1);
    if (last !== undefined && LOCK_ORDER.indexOf(last) >= LOCK_ORDER.indexOf(wanted))
      throw new Error(`lock order: ${wanted} after ${last}`);
  }

  #take(name: LockName, lock: HeldLock): HeldLock {
    this.#held.push(name);
    return {
      release: () => {
        if (this.#held.at(-1) !== name) throw new Error(`lock order: ${name} given back before later ones`);
        this.#held.pop();
        lock.release();
      },
    };
  }
}
