/** In which phase an announcement was met last. */
export type Phase = "stem" | "fluff";

/**
 * The clocks of two members may differ by ten minutes either way (PROTOCOL.md section 3), so an announcement can be sent again
 * for twenty.
 */
const KEEP_MS = 20 * 60_000;
/** About 100 bytes each. An attacker who makes us forget earlier ones gains what the limits of each source give him. */
const MAX_NONCES = 8_192;

/** Which announcements were met already: what ends loops and repeats. Pure; times are monotonic milliseconds. */
export class NonceCache {
  /** In the order of first sight, which is the order of forgetting. */
  readonly #seen = new Map<string, { phase: Phase; readonly atMs: number }>();

  get size(): number {
    return this.#seen.size;
  }

  phaseOf(nonce: string): Phase | null {
    return this.#seen.get(nonce)?.phase ?? null;
  }

  note(nonce: string, phase: Phase, nowMs: number): void {
    const known = this.#seen.get(nonce);
    if (known !== undefined) {
      known.phase = phase;
      return;
    }
    this.#seen.set(nonce, { phase, atMs: nowMs });
    for (const [oldest, { atMs }] of this.#seen) {
      if (this.#seen.size <= MAX_NONCES && nowMs - atMs <= KEEP_MS) break;
      this.#seen.delete(oldest);
    }
  }
}
