import type { PublicKey } from "../../../src/core/types.ts";
import type { Peer } from "../../../src/peers/peer.ts";
import type { ActualPeer, WantedPeer } from "../../../src/wireguard/backend.ts";

/** A key that sorts by its number. */
export function keyOf(number: number): PublicKey {
  const bytes = Buffer.alloc(32);
  bytes.writeUInt32BE(number);
  return bytes.toString("base64") as PublicKey;
}

export function peer(number: number, change: Partial<Peer> = {}): Peer {
  return {
    publicKey: keyOf(number),
    hostname: `h${number}`,
    meshIp: `10.7.${number >> 8}.${number & 255}` as Peer["meshIp"],
    meshIpv6: `fd00::${number.toString(16)}` as Peer["meshIpv6"],
    endpoint: { host: "192.0.2.1", port: 1024 + number },
    endpointMethod: "lan",
    endpointAtMs: 0,
    controlEndpoint: null,
    methods: ["lan"],
    introducer: false,
    relays: false,
    exitNode: false,
    networks: [],
    candidates: [],
    natType: "",
    instance: "",
    firstSeenMs: 0,
    lastSeenMs: 0,
    lastHandshakeMs: 0,
    knowsUs: false,
    proven: false,
    ...change,
  };
}

export function wanted(number: number, change: Partial<WantedPeer> = {}): WantedPeer {
  return {
    publicKey: keyOf(number),
    endpoint: { host: "192.0.2.1", port: 1024 + number },
    allowedIps: [`10.7.0.${number}/32`, `fd00::${number}/128`] as unknown as WantedPeer["allowedIps"],
    keepaliveSeconds: 25,
    ...change,
  };
}

/** The peer as the interface shows it when `wanted` was applied. */
export function actual(number: number, change: Partial<ActualPeer> = {}): ActualPeer {
  const { publicKey, endpoint, allowedIps, keepaliveSeconds } = wanted(number);
  return {
    publicKey,
    endpoint,
    allowedIps,
    keepaliveSeconds,
    hasPresharedKey: true,
    lastHandshakeMs: 0,
    rxBytes: 0,
    txBytes: 0,
    ...change,
  };
}

export const byKey = (peers: readonly WantedPeer[]): Map<PublicKey, WantedPeer> =>
  new Map(peers.map((entry) => [entry.publicKey, entry]));
