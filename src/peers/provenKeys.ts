import type { PublicKey } from "../core/types.ts";

/** Four times as many as the store holds peers. */
const MAX_KEYS = 4_096;

/**
 * The keys whose holders have shown a proof (wire/proof.ts). They are remembered longer than the records, or whoever waits until a
 * record expires could speak in its name.
 */
export class ProvenKeys {
  readonly #keys = new Set<PublicKey>();
  readonly #isInUse: (publicKey: PublicKey) => boolean;
  readonly #maxKeys: number;

  /** `isInUse` keys are never forgotten: a member that invents keys must not push them out. There must be fewer than `maxKeys`. */
  constructor(isInUse: (publicKey: PublicKey) => boolean, maxKeys: number = MAX_KEYS) {
    this.#isInUse = isInUse;
    this.#maxKeys = maxKeys;
  }

  has(publicKey: PublicKey): boolean {
    return this.#keys.has(publicKey);
  }

  add(publicKey: PublicKey): void {
    if (this.#keys.has(publicKey)) return;
    if (this.#keys.size >= this.#maxKeys) this.#forgetOne();
    this.#keys.add(publicKey);
  }

  #forgetOne(): void {
    for (const publicKey of this.#keys) {
      if (this.#isInUse(publicKey)) continue;
      this.#keys.delete(publicKey);
      return;
    }
  }
}
