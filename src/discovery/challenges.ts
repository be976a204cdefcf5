/**
 * When a peer that proves itself is asked whether it really spoke, after a message in its name came without a proof. At once the
 * first time, since it may have restarted and forgotten us; then ever more rarely until it proves itself again, so that a member
 * who goes on lying costs next to nothing. Pure: time comes in as an argument.
 */
import type { PublicKey } from "../core/types.ts";

const FIRST_PAUSE_MS = 5_000;
const MAX_PAUSE_MS = 60_000;

interface Pause {
  readonly untilMs: number;
  readonly lengthMs: number;
}

export class Challenges {
  readonly #pauses = new Map<PublicKey, Pause>();

  /** True when the peer may be asked now; the next time is then later. */
  take(publicKey: PublicKey, nowMs: number): boolean {
    const pause = this.#pauses.get(publicKey);
    if (pause && nowMs < pause.untilMs) return false;
    const lengthMs = Math.min(MAX_PAUSE_MS, (pause?.lengthMs ?? FIRST_PAUSE_MS / 2) * 2);
    this.#pauses.set(publicKey, { untilMs: nowMs + lengthMs, lengthMs });
    return true;
  }

  /**
   * The peer has proved itself: the next doubt is a first one again, but not before the pause is over; unless it has restarted indeed,
   * which it may do again at once and nobody else can say with a proof.
   */
  proved(publicKey: PublicKey, restarted: boolean, nowMs: number): void {
    const pause = this.#pauses.get(publicKey);
    if (!pause) return;
    if (restarted || nowMs >= pause.untilMs) this.#pauses.delete(publicKey);
    else this.#pauses.set(publicKey, { untilMs: pause.untilMs, lengthMs: FIRST_PAUSE_MS / 2 });
  }

  /** Forgets what no longer matters. */
  forgetOld(nowMs: number): void {
    for (const [publicKey, { untilMs }] of this.#pauses) {
      if (nowMs - untilMs > MAX_PAUSE_MS) this.#pauses.delete(publicKey);
    }
  }
}
