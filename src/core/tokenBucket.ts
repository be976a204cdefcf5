/** A bucket that holds up to `burst` tokens and gains `ratePerSecond` of them; it starts full. */
export class TokenBucket {
  readonly #ratePerSecond: number;
  readonly #burst: number;
  #tokens: number;
  #filledAtMs: number;

  constructor(ratePerSecond: number, burst: number, nowMs: number) {
    this.#ratePerSecond = ratePerSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#filledAtMs = nowMs;
  }

  /** Takes `cost` tokens, or none and false when there are not enough. */
  take(nowMs: number, cost = 1): boolean {
    if (!this.has(nowMs, cost)) return false;
    this.#tokens -= cost;
    return true;
  }

  has(nowMs: number, cost = 1): boolean {
    const gained = ((nowMs - this.#filledAtMs) * this.#ratePerSecond) / 1000;
    this.#tokens = Math.min(this.#burst, this.#tokens + Math.max(0, gained));
    this.#filledAtMs = nowMs;
    return this.#tokens >= cost;
  }

  /** When so many tokens will be there: `nowMs`, or later. */
  nextAtMs(nowMs: number, cost = 1): number {
    if (this.has(nowMs, cost)) return nowMs;
    return nowMs + Math.ceil(((cost - this.#tokens) * 1000) / this.#ratePerSecond);
  }
}
