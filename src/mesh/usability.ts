/**
 * Which peers do not answer at the moment, so that what another can do as well is not left to them. Pure: time comes in as an argument.
 */
import type { PublicKey } from "../core/types.ts";

/**
 * So long a peer has to be heard again before it counts as well: a path that comes and goes, or one that is merely slow, moves
 * networks to and fro at this pace at most.
 */
const PROBATION_MS = 10_000;

interface Failed {
  /** Monotonic; null while nothing is heard. */
  heardAtMs: number | null;
}

export class Usability {
  readonly #failed = new Map<PublicKey, Failed>();

  /** Nothing comes back from it. True when that is news. */
  failed(publicKey: PublicKey): boolean {
    const known = this.#failed.get(publicKey);
    this.#failed.set(publicKey, { heardAtMs: null });
    return known === undefined;
  }

  /** Something came from it. */
  heard(publicKey: PublicKey, nowMs: number): void {
    const known = this.#failed.get(publicKey);
    if (known !== undefined) known.heardAtMs ??= nowMs;
  }

  /** Of a peer that is no more. */
  forget(publicKey: PublicKey): void {
    this.#failed.delete(publicKey);
  }

  /** @param nowMs monotonic */
  isUsable(publicKey: PublicKey, nowMs: number): boolean {
    const known = this.#failed.get(publicKey);
    if (known === undefined) return true;
    if (known.heardAtMs === null || nowMs - known.heardAtMs < PROBATION_MS) return false;
    this.#failed.delete(publicKey);
    return true;
  }

  /** Peers that count as silent, or are on probation. */
  get doubted(): IterableIterator<PublicKey> {
    return this.#failed.keys();
  }
}
