import type { Cidr, Endpoint, IpAddress, PublicKey } from "../core/types.ts";
import { MAX_CANDIDATES } from "../wire/candidates.ts";

import type { NatType } from "./peer.ts";

export { MAX_CANDIDATES };

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
  /** Port of the own endpoint where a NAT gave WireGuard another than its own; null when that is unknown or the same. */
  readonly externalWireguardPort: number | null;
  /** Where the control socket is seen from outside; null until STUN told. */
  readonly externalControl: Endpoint | null;
  /** Where WireGuard may be reached, the best first; at most {@link MAX_CANDIDATES}, IP literals, no repeats. */
  readonly candidates: readonly Endpoint[];
  readonly networks: readonly Cidr[];
  readonly introducer: boolean;
  /** It relays for others: it may, and they reach it. */
  readonly relays: boolean;
  /** It forwards to the Internet for whoever asks for it (`--advertise-exit-node`). */
  readonly exitNode?: boolean;
  readonly natType: NatType;
  /** 16 hex digits, new at each start. */
  readonly instance: string;
  /** It lives at its mesh addresses with others (peers/collision.ts). */
  readonly settled?: boolean;
}

/** Of a node that has learned nothing of itself yet, and does nothing for others. */
export const NOTHING_LEARNED = {
  externalHost: null,
  externalWireguardPort: null,
  externalControl: null,
  candidates: [],
  networks: [],
  introducer: false,
  relays: false,
  exitNode: false,
  natType: "unknown",
} as const satisfies Partial<LocalNodeSnapshot>;

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
  const { externalHost, externalWireguardPort, wireguardPort } = node;
  if (externalHost === null) return { host: "0.0.0.0", port: wireguardPort };
  return { host: externalHost, port: externalWireguardPort ?? wireguardPort };
}

/** The same for the LAN, where others take the host from the datagram's source: no NAT stands between. */
export function ownLanEndpoint(node: LocalNodeSnapshot): Endpoint {
  return { host: node.externalHost ?? "0.0.0.0", port: node.wireguardPort };
}
