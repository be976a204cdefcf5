import type { Cidr, Endpoint, IpAddress, PublicKey } from "../core/types.ts";
import type { NatType } from "./peer.ts";

/** What this node tells others about itself: one frozen snapshot (row C6). */
export interface LocalNodeSnapshot {
  readonly publicKey: PublicKey;
  readonly hostname: string;
  readonly meshIp: IpAddress;
  /** Null with `--no-ipv6`. */
  readonly meshIpv6: IpAddress | null;
  /** The port WireGuard is really bound to. */
  readonly wireguardPort: number;
  /** Host part of the own endpoint as learned; null until then (sent as `0.0.0.0:<port>`). */
  readonly externalHost: IpAddress | null;
  readonly networks: readonly Cidr[];
  readonly introducer: boolean;
  readonly natType: NatType;
  /** 16 hex digits, new at each start. */
  readonly instance: string;
}

/** The one owner of that snapshot. Writers replace it whole, so readers always see one consistent state. */
export class LocalNode {
  #snapshot: LocalNodeSnapshot;
  readonly #listeners = new Set<(snapshot: LocalNodeSnapshot) => void>();

  constructor(initial: LocalNodeSnapshot) {
    this.#snapshot = Object.freeze({ ...initial });
  }

  get snapshot(): LocalNodeSnapshot {
    return this.#snapshot;
  }

  update(change: Partial<Omit<LocalNodeSnapshot, "publicKey" | "instance">>): void {
    this.#snapshot = Object.freeze({ ...this.#snapshot, ...change });
    for (const listener of this.#listeners) listener(this.#snapshot);
  }

  /** Calls back after each update; the returned function ends that. */
  subscribe(listener: (snapshot: LocalNodeSnapshot) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** The own WireGuard endpoint as it goes on the wire (PROTOCOL.md section 4.1, `wg_endpoint`). */
export function ownEndpoint(node: LocalNodeSnapshot): Endpoint {
  return { host: node.externalHost ?? "0.0.0.0", port: node.wireguardPort };
}
