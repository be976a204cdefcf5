/**
 * Whose the interface is between the two programs of a restart (row C4), when neither can catch a signal: the addon's guard removes it if
 * the process dies there, or if the successor ends before it has opened the interface.
 */
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";

/** As the addon has it: a descriptor and a process. Plain, since it goes from one program to the next. */
export interface GuardedLink {
  readonly fd: number;
  readonly pid: number;
}

/** The addon's part. */
export interface LinkGuards {
  /** Throws ERR_SYSTEM. */
  start(linkIndex: number): GuardedLink;
  /** Throws ERR_SYSTEM. */
  end(guard: GuardedLink, keepLink: boolean): void;
}

export class InterfaceGuard {
  readonly #guards: LinkGuards;
  readonly #log: Log;
  #taken: GuardedLink | null;
  #left: GuardedLink | null = null;

  /** @param taken that of the daemon before, which left its interface to this one. */
  constructor(guards: LinkGuards, log: Log, taken: GuardedLink | null) {
    this.#guards = guards;
    this.#log = log;
    this.#taken = taken;
  }

  /** For the successor: null when nothing was left, or it is not guarded. */
  get left(): GuardedLink | null {
    return this.#left;
  }

  /** Once this run has the interface, and takes it back at its end. */
  takeOver(): void {
    this.#end(this.#taken, true);
    this.#taken = null;
  }

  /** Before the interface is left. Without a guard it is left all the same: it would only outlive a kill. */
  leave(linkIndex: number): void {
    try {
      this.#left = this.#guards.start(linkIndex);
    } catch (error) {
      this.#log.warn({ reason: messageOf(error) }, "interface is left without a guard");
    }
  }

  /** When no successor comes after all. */
  removeLeft(): void {
    this.#end(this.#left, false);
    this.#left = null;
  }

  #end(guard: GuardedLink | null, keepLink: boolean): void {
    if (guard === null) return;
    try {
      this.#guards.end(guard, keepLink);
    } catch (error) {
      this.#log.warn({ reason: messageOf(error) }, "guard of the interface did not end");
    }
  }
}
