import type { Clock } from "../core/clock.ts";

/** Per key and window; the rest is counted. */
const BURST = 10;
const WINDOW_MS = 60_000;
/** Keys remembered at once. Messages are fixed sentences, so there are few; the bound is for the day one is not. */
const MAX_KEYS = 256;

interface Window {
  startMs: number;
  passed: number;
  suppressed: number;
}

/** Keeps one warning, repeated by a flood of bad packets or a broken disk, from filling the log. */
export class RepeatLimiter {
  readonly #clock: Clock;
  readonly #windows = new Map<string, Window>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether to log it: null for no, otherwise how many of its kind were left out before it. */
  admit(key: string): number | null {
    const nowMs = this.#clock.monotonicMs();
    const window = this.#windows.get(key);
    if (window === undefined || nowMs - window.startMs >= WINDOW_MS) {
      this.#start(key, nowMs);
      return window?.suppressed ?? 0;
    }
    if (window.passed < BURST) {
      window.passed += 1;
      return 0;
    }
    window.suppressed += 1;
    return null;
  }

  #start(key: string, startMs: number): void {
    this.#windows.delete(key);
    if (this.#windows.size >= MAX_KEYS) {
      const [oldest] = this.#windows.keys();
      if (oldest !== undefined) this.#windows.delete(oldest);
    }
    this.#windows.set(key, { startMs, passed: 1, suppressed: 0 });
  }
}
