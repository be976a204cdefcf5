import type { PublicKey } from "../core/types.ts";
import type { ActualPeer } from "../wireguard/backend.ts";

/** The peers of the interface as they were read last. Read far more often than somebody asks for one of them. */
export class DeviceReading {
  #peers: readonly ActualPeer[] = [];
  #byKey: ReadonlyMap<PublicKey, ActualPeer> | null = null;

  note(peers: readonly ActualPeer[]): void {
    this.#peers = peers;
    this.#byKey = null;
  }

  get peers(): readonly ActualPeer[] {
    return this.#peers;
  }

  get(publicKey: PublicKey): ActualPeer | undefined {
    this.#byKey ??= new Map(this.#peers.map((peer) => [peer.publicKey, peer]));
    return this.#byKey.get(publicKey);
  }
}
