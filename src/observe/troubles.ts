/**
 * The registry behind core/troubles.ts.
 */
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { Troubles } from "../core/troubles.ts";

export interface Trouble {
  readonly id: string;
  readonly text: string;
  /** Unix milliseconds. */
  readonly sinceMs: number;
}

/** Logs what is raised and what is over, once each. Ids are few: places in the code, never data from outside. */
export class TroubleRegistry implements Troubles {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #troubles = new Map<string, Trouble>();
  readonly #listeners = new Set<(trouble: Trouble, standing: boolean) => void>();

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  raise(id: string, text: string): void {
    const known = this.#troubles.get(id);
    const trouble = { id, text, sinceMs: known?.sinceMs ?? this.#clock.wallMs() };
    this.#troubles.set(id, trouble);
    if (known !== undefined) return;
    this.#log.warn({ trouble: id, reason: text }, "trouble");
    this.#tell(trouble, true);
  }

  clear(id: string): void {
    const known = this.#troubles.get(id);
    if (known === undefined) return;
    this.#troubles.delete(id);
    this.#log.info({ trouble: id }, "trouble is over");
    this.#tell(known, false);
  }

  /** What stands, the oldest first. */
  list(): Trouble[] {
    return [...this.#troubles.values()].sort((a, b) => a.sinceMs - b.sinceMs);
  }

  /** Calls back when one begins (`standing`) and when it is over; the returned function ends that. */
  subscribe(listener: (trouble: Trouble, standing: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(trouble: Trouble, standing: boolean): void {
    for (const listener of this.#listeners) listener(trouble, standing);
  }
}
