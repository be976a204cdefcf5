/**
 * The one clock of a simulated world: events at whole milliseconds, in the order of time and then of arrival. Nothing here waits in
 * real time, and between two instants every promise that can settle has settled.
 */
import { DueTimes } from "../../../src/core/dueTimes.ts";

interface Entry {
  /** Null once it was cancelled or has run. */
  callback: (() => void) | null;
}

/** More events than this at one instant mean that work is due again and again without getting done. */
const MAX_AT_ONCE = 1_000_000;

export class EventQueue {
  #nowMs = 0;
  /** Instants with entries; each has its list in `#slots`. */
  readonly #instants = new DueTimes<number>();
  readonly #slots = new Map<number, Entry[]>();
  /** Told each time an instant is over. */
  onInstant: () => void = () => {};

  /** Milliseconds since the world began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Runs `callback` once, `delayMs` from now, rounded up to whole milliseconds as timers are. The returned function cancels it. */
  after(delayMs: number, callback: () => void): () => void {
    const atMs = this.#nowMs + Math.max(0, Math.ceil(delayMs));
    if (!Number.isFinite(atMs)) return () => {};
    const entry: Entry = { callback };
    const slot = this.#slots.get(atMs);
    if (slot !== undefined) slot.push(entry);
    else {
      this.#slots.set(atMs, [entry]);
      this.#instants.set(atMs, atMs);
    }
    return () => {
      entry.callback = null;
    };
  }

  /** Moves time forward. Ends early, at the end of an instant, once `enough` holds. */
  async advance(byMs: number, enough: () => boolean = () => false): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await settle();
    for (;;) {
      const next = this.#instants.nextAtMs();
      if (next === null || next > untilMs) break;
      this.#instants.delete(next);
      this.#nowMs = next;
      await this.#run(next);
      this.onInstant();
      if (enough()) return;
    }
    this.#nowMs = untilMs;
  }

  /** What is due at an instant, what that makes due at the same instant included. */
  async #run(atMs: number): Promise<void> {
    const slot = this.#slots.get(atMs) ?? [];
    for (let done = 0; done < slot.length; ) {
      if (slot.length > MAX_AT_ONCE) throw new Error(`time stands still at ${atMs} ms: a timer spins`);
      let ran = false;
      for (; done < slot.length; done += 1) {
        const entry = slot[done];
        if (entry === undefined || entry.callback === null) continue;
        const { callback } = entry;
        entry.callback = null;
        callback();
        ran = true;
      }
      if (ran) await settle();
    }
    this.#slots.delete(atMs);
  }
}

/** Every promise that can go on without a timer has done so when the event loop turns. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
