import type { Clock } from "../../../src/core/clock.ts";
import type { EventQueue } from "./eventQueue.ts";

/** 2026-01-01, a quarter past an hour. */
const WORLD_STARTS_MS = 1_767_226_500_000;

/** One run of a node as it sees the world's time: its own wall clock, right or wrong, and timers that end with it. */
export class NodeClock implements Clock {
  readonly #queue: EventQueue;
  /** Hosts were started at different times. */
  readonly #bootMs: number;
  #ended = false;
  /** At how many instants a timer called back: so often an idle process would have been woken by its own timers. */
  wakes = 0;
  #wokeAtMs = -1;
  /** How far the wall clock is ahead of the world, in milliseconds; negative when it is behind. */
  errorMs: number;

  constructor(queue: EventQueue, bootMs: number, errorMs: number) {
    this.#queue = queue;
    this.#bootMs = bootMs;
    this.errorMs = errorMs;
  }

  wallMs(): number {
    return WORLD_STARTS_MS + this.#queue.nowMs + this.errorMs;
  }

  monotonicMs(): number {
    return this.#bootMs + this.#queue.nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    return this.afterOfKernel(delayMs, () => {
      if (this.#queue.nowMs !== this.#wokeAtMs) this.wakes += 1;
      this.#wokeAtMs = this.#queue.nowMs;
      callback();
    });
  }

  /** A timer that wakes no process. */
  afterOfKernel(delayMs: number, callback: () => void): () => void {
    if (this.#ended) return () => {};
    return this.#queue.after(delayMs, () => {
      if (!this.#ended) callback();
    });
  }

  /** The process is gone, and so are its timers. */
  end(): void {
    this.#ended = true;
  }
}
