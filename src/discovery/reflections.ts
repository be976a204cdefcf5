/**
 * Who says what our address is (PROTOCOL.md section 5.2). One member alone cannot move an address that is known: two
 * must agree (weak point 9). Pure: time comes in as an argument.
 */
import type { IpAddress, PublicKey } from "../core/types.ts";

const QUORUM = 2;
/** An older observation says nothing about the network of now. */
const VALID_MS = 10 * 60_000;
const MAX_WITNESSES = 64;

export class Reflections {
  readonly #seen = new Map<PublicKey, { readonly host: IpAddress; readonly atMs: number }>();

  /** Notes that `witness` saw us at `host`. True when that is to be believed in place of `current`. */
  convinces(witness: PublicKey, host: IpAddress, current: IpAddress | null, nowMs: number): boolean {
    this.#seen.delete(witness);
    this.#seen.set(witness, { host, atMs: nowMs });
    if (this.#seen.size > MAX_WITNESSES) {
      const [oldest] = this.#seen.keys();
      if (oldest !== undefined) this.#seen.delete(oldest);
    }
    if (host === current) return false;
    if (current === null) return true;
    let agreeing = 0;
    for (const { host: other, atMs } of this.#seen.values()) {
      if (other === host && nowMs - atMs <= VALID_MS) agreeing += 1;
    }
    return agreeing >= QUORUM;
  }
}
