import type { Cidr, Endpoint, IpAddress, PublicKey } from "../core/types.ts";
import type { NatType } from "../wire/types.ts";

export type { NatType };

/** How a peer was learned; ranked in peers/rank.ts (PROTOCOL.md section 10). `static` is ours, for `--peer`. */
export type DiscoveryMethod =
  | "lan"
  | "dht-rendezvous"
  | "dht-ipv6-sync"
  | "dht"
  | "static"
  | "gossip"
  | "dht-transitive"
  | "gossip-transitive"
  | "cache";

/** All of them, for the labels of metrics. */
export const DISCOVERY_METHODS: readonly DiscoveryMethod[] = [
  "lan",
  "dht-rendezvous",
  "dht-ipv6-sync",
  "dht",
  "static",
  "gossip",
  "dht-transitive",
  "gossip-transitive",
  "cache",
];

/** What the store knows of one peer. Records are frozen; a change makes a new one. */
export interface Peer {
  readonly publicKey: PublicKey;
  readonly hostname: string;
  /** Accepted mesh addresses; null when none was claimed or the claim was refused (row D10). */
  readonly meshIp: IpAddress | null;
  readonly meshIpv6: IpAddress | null;
  /** WireGuard's socket. */
  readonly endpoint: Endpoint | null;
  readonly endpointMethod: DiscoveryMethod;
  /** When that endpoint was last told, Unix ms: an old one gives way to a lower rank. */
  readonly endpointAtMs: number;
  /** Control socket, once the peer has spoken to us from it. */
  readonly controlEndpoint: Endpoint | null;
  readonly methods: readonly DiscoveryMethod[];
  readonly introducer: boolean;
  /** It relays sealed packets for others, by its own word. */
  readonly relays: boolean;
  /** It forwards to the Internet for whoever asks for it, by its own word. */
  readonly exitNode?: boolean;
  /** Networks the owner itself advertised last. */
  readonly networks: readonly Cidr[];
  /** Where the owner itself said last that its WireGuard may be reached, the best first. */
  readonly candidates: readonly Endpoint[];
  readonly natType: NatType;
  /** Random text of one run of the peer's daemon (our extension field `instance`); "" for Go nodes. */
  readonly instance: string;
  readonly firstSeenMs: number;
  /** Last direct word from the peer itself, Unix ms; 0 when only mentioned by others. From the cache: of the last run. */
  readonly lastSeenMs: number;
  /** Unix ms of the newest WireGuard handshake seen, 0 for never. */
  readonly lastHandshakeMs: number;
  /** True once the peer has shown that it knows us (a REPLY, or a HELLO to us): its WireGuard will answer. */
  readonly knowsUs: boolean;
  /** The holder of the key has shown itself (wire/proof.ts): from then on only its own word counts. */
  readonly proven: boolean;
}

/** One observation, already validated. Absent members say nothing about the peer. */
export interface Sighting {
  readonly publicKey: PublicKey;
  readonly method: DiscoveryMethod;
  /** Where the word came from, when its new keys are limited (peers/room.ts): an IPv4 address, an IPv6 /64, or the teller's key. */
  readonly source?: string | undefined;
  /** The source is a teller with a tunnel to us. */
  readonly tunnel?: boolean | undefined;
  readonly hostname?: string | undefined;
  readonly meshIp?: IpAddress | undefined;
  readonly meshIpv6?: IpAddress | undefined;
  readonly endpoint?: Endpoint | undefined;
  readonly controlEndpoint?: Endpoint | undefined;
  readonly introducer?: boolean | undefined;
  readonly relays?: boolean | undefined;
  readonly exitNode?: boolean | undefined;
  /** Only a direct sighting carries networks. */
  readonly networks?: readonly Cidr[] | undefined;
  /** Like the networks: only the owner says where it may be reached. */
  readonly candidates?: readonly Endpoint[] | undefined;
  readonly natType?: NatType | undefined;
  readonly instance?: string | undefined;
  readonly knowsUs?: boolean | undefined;
  /** The message carried a good proof; from the cache: one did in an earlier run. */
  readonly proven?: boolean | undefined;
  /** It answered a HELLO of ours: somebody is really there. */
  readonly answered?: boolean | undefined;
  /** By its own word: it lives at its addresses (peers/collision.ts). */
  readonly settled?: boolean | undefined;
  /** The sender's own clock in Unix seconds, for direct sightings: lifts or respects tombstones. */
  readonly sentAtSeconds?: number | undefined;
  /** For mentions: seconds since the peer itself was last heard, as the teller says; absent when it does not. */
  readonly ageSeconds?: number | undefined;
  /** For `cache`: when the peer was last seen, Unix ms. */
  readonly seenAtMs?: number | undefined;
}

export type PeerEvent =
  | {
      readonly type: "added" | "updated";
      readonly peer: Peer;
      readonly before: Peer | null;
      readonly changed: ReadonlySet<keyof Peer>;
    }
  | { readonly type: "removed"; readonly peer: Peer; readonly reason: RemovalReason };

export type RemovalReason = "goodbye" | "expired" | "evicted" | "replaced" | "left-behind";
