/**
 * Being polite to the receiver: Go peers drop what exceeds ten datagrams a second (burst 20) from one address, and two of
 * our nodes may share one behind a NAT. So at most five go to one destination in any second. Pure: time comes in.
 */
export const MAX_PER_SECOND = 5;
const WINDOW_MS = 1000;
/** Destinations remembered; the one written to least recently is forgotten first. */
const MAX_DESTINATIONS = 8192;

/** Exact sliding window: a token bucket of the same rate would let a burst and the refill pass in one second. */
export class OutboundBudget {
  readonly #sentAtMs = new Map<string, number[]>();

  /** The earliest time at which one more datagram may go there: `nowMs`, or later. */
  freeAtMs(destination: string, nowMs: number): number {
    const times = this.#sentAtMs.get(destination);
    const oldest = times && times.length >= MAX_PER_SECOND ? times[times.length - MAX_PER_SECOND] : undefined;
    return oldest === undefined ? nowMs : Math.max(nowMs, oldest + WINDOW_MS);
  }

  /** Notes that a datagram goes out now. */
  spend(destination: string, nowMs: number): void {
    const times = this.#sentAtMs.get(destination) ?? [];
    this.#sentAtMs.delete(destination);
    times.push(nowMs);
    if (times.length > MAX_PER_SECOND) times.shift();
    this.#sentAtMs.set(destination, times);
    if (this.#sentAtMs.size <= MAX_DESTINATIONS) return;
    const [oldest] = this.#sentAtMs.keys();
    if (oldest !== undefined) this.#sentAtMs.delete(oldest);
  }
}
