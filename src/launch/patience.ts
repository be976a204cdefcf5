/**
 * How long a start is waited for (row F3): 2 s without progress, 15 s in all. Progress is a new step, a new process, or one that
 * is at work: on a machine that has no time for it, a daemon is slow, not stuck.
 */
import type { Clock } from "../core/clock.ts";

export const POLL_MS = 100;
const STUCK_AFTER_MS = 2000;
const TOO_LONG_MS = 15_000;

/** What can be seen of a start from outside. */
export interface Signs {
  readonly pid: number | null;
  readonly step: string | null;
  /** It runs, or waits for the disk, at this instant. */
  readonly busy: boolean;
}

export type Verdict = "wait" | "stuck" | "too long";

export class Patience {
  readonly #clock: Clock;
  readonly #startMs: number;
  #progressMs: number;
  #last = "";

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.monotonicMs();
    this.#progressMs = this.#startMs;
  }

  /** Called with every poll. */
  judge({ pid, step, busy }: Signs): Verdict {
    const nowMs = this.#clock.monotonicMs();
    const seen = `${pid} ${step}`;
    if (seen !== this.#last || busy) this.#progressMs = nowMs;
    this.#last = seen;
    if (nowMs - this.#startMs >= TOO_LONG_MS) return "too long";
    return nowMs - this.#progressMs >= STUCK_AFTER_MS ? "stuck" : "wait";
  }

  get elapsedMs(): number {
    return this.#clock.monotonicMs() - this.#startMs;
  }
}

/**
 * The same for a restart: an end, which has a deadline of its own and may sleep through it, and a start. However long both take, it lasts
 * while steps are done.
 */
export class RestartPatience {
  readonly #clock: Clock;
  #patience: Patience;
  #step: string | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#patience = new Patience(clock);
  }

  /** Called with every poll; false once it is over. */
  lasts(signs: Signs): boolean {
    if (signs.step !== this.#step) {
      this.#step = signs.step;
      this.#patience = new Patience(this.#clock);
    }
    return this.#patience.judge({ ...signs, busy: signs.busy || signs.step === null }) === "wait";
  }
}
