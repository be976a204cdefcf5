/**
 * Who claims an address that another holds: when the holder moves or leaves, the address goes to the claimant at once and not
 * only at its next word, which may be minutes away (row E5). Bounded, since claims cost nothing.
 */
import type { IpAddress, PublicKey } from "../core/types.ts";
import type { AddressFamily } from "./derivedAddresses.ts";

const MAX_CLAIMS = 1_000;

export class WaitingClaims {
  /** By family and key: the newest claim is the one that counts. */
  readonly #claims = new Map<string, { readonly publicKey: PublicKey; readonly address: IpAddress }>();

  add(address: IpAddress, family: AddressFamily, publicKey: PublicKey): void {
    const name = `${family} ${publicKey}`;
    this.#claims.delete(name);
    this.#claims.set(name, { publicKey, address });
    if (this.#claims.size <= MAX_CLAIMS) return;
    const [oldest] = this.#claims.keys();
    if (oldest !== undefined) this.#claims.delete(oldest);
  }

  /** All who wait for it, the lowest key first; forgets them. */
  take(address: IpAddress): PublicKey[] {
    const claimants: PublicKey[] = [];
    for (const [name, claim] of this.#claims) {
      if (claim.address !== address) continue;
      this.#claims.delete(name);
      claimants.push(claim.publicKey);
    }
    return claimants.sort();
  }
}
