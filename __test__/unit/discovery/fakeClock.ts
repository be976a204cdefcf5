import type { Clock } from "../../../src/core/clock.ts";

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** More timers than this at one instant mean that work is due again and again without getting done. */
const MAX_AT_ONCE = 10_000;

/** Time that stands still until a test moves it. Timers run in order of time, then of creation. */
export class FakeClock implements Clock {
  #nowMs = 0;
  #order = 0;
  readonly #heap: Timer[] = [];
  readonly #cancelled = new Set<Timer>();
  readonly startWallMs: number;

  constructor(startWallMs = 1_767_225_600_000) {
    this.startWallMs = startWallMs;
  }

  wallMs(): number {
    return this.startWallMs + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, callback };
    this.#push(timer);
    return () => this.#cancelled.add(timer);
  }

  /** Moves time forward, running what falls due; promises settle between timers. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await settle();
    for (let atOnce = 0; ; ) {
      const next = this.#heap[0];
      if (!next || next.atMs > untilMs) break;
      this.#pop();
      if (this.#cancelled.delete(next)) continue;
      atOnce = next.atMs > this.#nowMs ? 0 : atOnce + 1;
      if (atOnce > MAX_AT_ONCE) throw new Error(`time stands still at ${this.#nowMs} ms: a timer spins`);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
      const following = this.#heap[0];
      if (!following || following.atMs > this.#nowMs) await settle();
    }
    this.#nowMs = untilMs;
    await settle();
  }

  /** Advances in steps until `condition` holds; returns the time that took, or throws after `limitMs`. */
  async until(condition: () => boolean, limitMs: number, stepMs = 5): Promise<number> {
    const startMs = this.#nowMs;
    while (!condition()) {
      if (this.#nowMs - startMs >= limitMs) throw new Error(`not reached within ${limitMs} ms`);
      await this.advance(stepMs);
    }
    return this.#nowMs - startMs;
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let index = heap.push(timer) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!earlier(heap[index] as Timer, heap[parent] as Timer)) return;
      [heap[index], heap[parent]] = [heap[parent] as Timer, heap[index] as Timer];
      index = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    heap[0] = last;
    let index = 0;
    for (;;) {
      let least = index;
      for (const child of [2 * index + 1, 2 * index + 2]) {
        if (child < heap.length && earlier(heap[child] as Timer, heap[least] as Timer)) least = child;
      }
      if (least === index) return;
      [heap[index], heap[least]] = [heap[least] as Timer, heap[index] as Timer];
      index = least;
    }
  }
}

function earlier(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** Lets every promise that can settle do so. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
