import type { Clock } from "../core/clock.ts";
import type { PublicKey } from "../core/types.ts";
import type { AddressDerivation } from "./addresses.ts";
import type { Peer, PeerEvent, RemovalReason, Sighting } from "./peer.ts";

export interface PeerStoreOptions {
  readonly clock: Clock;
  readonly ownKey: PublicKey;
  readonly addresses: AddressDerivation;
  /** `--strict-addresses`: derived addresses only (row D10). */
  readonly strictAddresses: boolean;
  /** `--no-ipv6` */
  readonly noIpv6: boolean;
}

/** One record per public key (row E1). Placeholder: the interface others code against. */
export class PeerStore {
  constructor(_options: PeerStoreOptions) {}
  /** Merges what was seen. Null when it was dropped (own key, full, tombstone). */
  observe(_sighting: Sighting): Peer | null {
    throw new Error("not built");
  }
  get(_publicKey: PublicKey): Peer | undefined {
    throw new Error("not built");
  }
  list(): Peer[] {
    throw new Error("not built");
  }
  get size(): number {
    throw new Error("not built");
  }
  /** A WireGuard handshake keeps a peer alive by itself (weak point 18). */
  noteHandshake(_publicKey: PublicKey, _atMs: number): void {}
  /** `goodbye` and `evicted` leave a tombstone that mentions by others cannot lift (weak point 23). */
  remove(_publicKey: PublicKey, _reason: RemovalReason): void {}
  /** Removes what nobody has heard of for 10 minutes. */
  expire(): void {}
  /** Seen, or had a handshake, under 5 minutes ago. */
  isActive(_peer: Peer): boolean {
    return false;
  }
  /** Calls back synchronously for every change; the returned function ends that. */
  subscribe(_listener: (event: PeerEvent) => void): () => void {
    return () => {};
  }
}
