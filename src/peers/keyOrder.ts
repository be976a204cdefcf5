import type { PublicKey } from "../core/types.ts";

/** The keys of the records in order, kept as they come and go: sorting a thousand for each message took longer than all else in it. */
export class KeyOrder {
  readonly #keys: PublicKey[] = [];

  /** Changes with the records: not to be kept. */
  get keys(): readonly PublicKey[] {
    return this.#keys;
  }

  /** A key that is in it already changes nothing. */
  add(publicKey: PublicKey): void {
    const place = firstAfter(this.#keys, publicKey);
    if (this.#keys[place - 1] !== publicKey) this.#keys.splice(place, 0, publicKey);
  }

  delete(publicKey: PublicKey): void {
    const place = firstAfter(this.#keys, publicKey) - 1;
    if (this.#keys[place] === publicKey) this.#keys.splice(place, 1);
  }
}

/** Where the first key is that follows `publicKey` in the order; their number when none does. */
export function firstAfter(keys: readonly PublicKey[], publicKey: PublicKey): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as PublicKey) > publicKey) high = middle;
    else low = middle + 1;
  }
  return low;
}
