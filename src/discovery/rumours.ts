/**
 * What is new and worth telling first: each node that hears of a peer tells it to a few others, so that it reaches all of a mesh
 * of n in about log2(n) rounds of gossip (rumour spreading), where the rotating part alone would take n rounds. Pure.
 */
import type { PublicKey } from "../core/types.ts";

/** More news at once than this comes only when a mesh forms, and then everybody has it anyway. */
const MAX_RUMOURS = 256;
/** Beyond log2(n): some tellings reach those who know already, or nobody. */
const SPARE_TELLINGS = 2;

export class Rumours {
  /** Times each is still to be told; the newest last. */
  readonly #left = new Map<PublicKey, number>();

  get size(): number {
    return this.#left.size;
  }

  /** Something about the peer is new, in a mesh of `nodes`. */
  add(publicKey: PublicKey, nodes: number): void {
    this.#left.delete(publicKey);
    this.#left.set(publicKey, Math.ceil(Math.log2(nodes + 1)) + SPARE_TELLINGS);
    if (this.#left.size <= MAX_RUMOURS) return;
    const [oldest] = this.#left.keys();
    if (oldest !== undefined) this.#left.delete(oldest);
  }

  /** What to tell, in this order: what was told least, the newest first. */
  inOrder(): PublicKey[] {
    const entries = [...this.#left].reverse().sort(([, a], [, b]) => b - a);
    return entries.map(([publicKey]) => publicKey);
  }

  told(publicKey: PublicKey): void {
    const left = this.#left.get(publicKey);
    if (left === undefined) return;
    if (left <= 1) this.#left.delete(publicKey);
    else this.#left.set(publicKey, left - 1);
  }

  forget(publicKey: PublicKey): void {
    this.#left.delete(publicKey);
  }

  clear(): void {
    this.#left.clear();
  }
}
