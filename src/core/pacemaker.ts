import type { Clock } from "./clock.ts";

/** What a pacemaker drives: it says when it has work next, and does it. */
export interface Paced {
  /** Monotonic time of the next work in milliseconds, null for none. */
  nextAtMs(): number | null;
  act(nowMs: number): void | Promise<void>;
}

/** Runs timed work inside one task, so that no timer floats: the body of a task is `pacemaker.run(signal)`. */
export class Pacemaker {
  readonly #clock: Clock;
  readonly #paced: Paced;
  #wake: (() => void) | null = null;

  constructor(clock: Clock, paced: Paced) {
    this.#clock = clock;
    this.#paced = paced;
  }

  /** To be called when `nextAtMs` may have become earlier. */
  wake(): void {
    this.#wake?.();
  }

  /** Resolves when the signal fires; rejects with what `act` throws. */
  async run(signal: AbortSignal): Promise<void> {
    const end = (): void => this.#wake?.();
    signal.addEventListener("abort", end, { once: true });
    try {
      while (!signal.aborted) {
        const dueAtMs = this.#paced.nextAtMs();
        const nowMs = this.#clock.monotonicMs();
        const acts = dueAtMs !== null && dueAtMs <= nowMs;
        if (acts) await this.#paced.act(nowMs);
        const nextAtMs = acts ? this.#paced.nextAtMs() : dueAtMs;
        // Always a real pause, so that work that is due again at once cannot starve the event loop.
        await this.#pause(
          nextAtMs === null ? null : Math.max(0, nextAtMs - this.#clock.monotonicMs()),
          signal,
        );
      }
    } finally {
      signal.removeEventListener("abort", end);
    }
  }

  #pause(delayMs: number | null, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const cancel = delayMs === null ? null : this.#clock.after(delayMs, () => done());
      const done = (): void => {
        cancel?.();
        this.#wake = null;
        resolve();
      };
      this.#wake = done;
    });
  }
}
