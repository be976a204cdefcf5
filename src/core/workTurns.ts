/**
 * Work that comes in bursts and shares the thread with what must not wait: it is done at once while there is little of it, and in short
 * turns when there is more. Between two turns whatever else is ready has its own. In the order in which it came.
 */
import type { Clock } from "./clock.ts";

/** Of a turn, until the next: what else is ready needs one round of the event loop. */
const PAUSE_MS = 1;

export class WorkTurns {
  readonly #clock: Clock;
  readonly #turnMs: number;
  readonly #mostWaiting: number;
  readonly #waiting: (() => void)[] = [];
  /** When the turn began that is not over yet; null between two. */
  #beganAtMs: number | null = null;
  #isWorking = false;
  #pauses = false;

  /**
   * @param turnMs after so long no further work begins in this turn. What others do between two pieces of work counts too: it is done
   * before the event loop can go on.
   */
  constructor(clock: Clock, turnMs: number, mostWaiting: number) {
    this.#clock = clock;
    this.#turnMs = turnMs;
    this.#mostWaiting = mostWaiting;
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** Does it now or soon; false, nothing done, when too much waits already. `work` must not throw. */
  take(work: () => void): boolean {
    if (!this.#pauses && this.#hasTime()) {
      const isFirst = this.#beganAtMs === null;
      this.#do(work);
      if (isFirst) this.#endLater();
      return true;
    }
    if (this.#waiting.length >= this.#mostWaiting) return false;
    this.#waiting.push(work);
    this.#pause();
    return true;
  }

  #hasTime(): boolean {
    return this.#beganAtMs === null || this.#clock.monotonicMs() - this.#beganAtMs < this.#turnMs;
  }

  #do(work: () => void): void {
    this.#beganAtMs ??= this.#clock.monotonicMs();
    this.#isWorking = true;
    work();
    this.#isWorking = false;
  }

  /** The turn is over once a timer fires: the event loop has gone round. What took no time was none. */
  #endLater(): void {
    if (this.#clock.monotonicMs() === this.#beganAtMs) {
      this.#beganAtMs = null;
      return;
    }
    this.#clock.after(PAUSE_MS, () => {
      if (this.#isWorking) this.#endLater();
      else if (!this.#pauses) this.#beganAtMs = null;
    });
  }

  #pause(): void {
    if (this.#pauses) return;
    this.#pauses = true;
    this.#clock.after(PAUSE_MS, () => this.#turn());
  }

  #turn(): void {
    this.#beganAtMs = null;
    let done = 0;
    for (const work of this.#waiting) {
      if (!this.#hasTime()) break;
      this.#do(work);
      done += 1;
    }
    this.#waiting.splice(0, done);
    this.#pauses = false;
    if (this.#waiting.length > 0) this.#pause();
    else this.#endLater();
  }
}
