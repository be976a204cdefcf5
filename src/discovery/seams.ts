/**
 * What discovery needs of the rest, handed in by the composition root, and what it offers back.
 */
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type { NatReport } from "../core/netReport.ts";
import type { Random } from "../core/random.ts";
import type { TaskScope } from "../core/tasks.ts";
import type { Endpoint, PublicKey } from "../core/types.ts";
import type { AddressDerivation } from "../peers/addresses.ts";
import type { LocalNode } from "../peers/localNode.ts";
import type { PathTable } from "../peers/paths.ts";
import type { PeerStore } from "../peers/store.ts";
import type { Membership } from "../wire/membership.ts";
import type { Prover } from "../wire/proof.ts";
import type { RotationNotice } from "../wire/rotation.ts";
import type { Sealer } from "../wire/sealer.ts";
import type { WireguardPort } from "../wireguard/wireguardPort.ts";
import type { AdvertisedEndpoint } from "./ownAddressRules.ts";
import type { RelayPlane } from "./relay/plane.ts";
import type { OpenManySockets } from "./rendezvous/birthday.ts";

export type { Membership, Prover, Sealer, WireguardPort };

/** One underlay interface LAN discovery may use. */
export interface UnderlayLink {
  readonly name: string;
  readonly index: number;
  /** Its IPv4 addresses, canonical text. */
  readonly ipv4: readonly string[];
}

/** One address of the host. */
export interface UnderlayAddress {
  readonly linkName: string;
  readonly address: string;
}

/** What happened to the host's network: something of it changed, or the machine slept and all of it may have. */
export type UnderlayEvent = "changed" | "woke";

/** The host's network as discovery sees it. */
export interface Underlay {
  /** Links that are up, multicast, not loopback, not point-to-point, not WireGuard, with an IPv4 address. */
  suitableLinks(): UnderlayLink[];
  /** Of links that are up, neither loopback nor tunnels; without link-local ones. */
  addresses(): readonly UnderlayAddress[];
  /** True when the IP lies in a mesh network or in one advertised by a peer: never an endpoint (weak point 27). */
  isInsideMesh(ip: string): boolean;
  /**
   * True when the IP lies in a network that a peer advertises, though nothing is routed there, and that this host has no address
   * in: what is sent there goes to strangers.
   */
  isElsewhere(ip: string): boolean;
  /** True when the IP lies in a network that this host is directly connected to. */
  isAdjacent(ip: string): boolean;
  /** Calls back after links or addresses changed (debounced), and after sleep; the returned function ends that. */
  onChange(listener: (event: UnderlayEvent) => void): () => void;
}

export interface DiscoveryContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly scope: TaskScope;
  readonly store: PeerStore;
  readonly self: LocalNode;
  /** How each peer is reached. */
  readonly paths: PathTable;
  readonly sealer: Sealer;
  readonly prover: Prover;
  /** Absent: tokens are neither sent nor looked at. */
  readonly membership?: Membership | undefined;
  /** What is said of a new secret; absent says nothing and does not listen. */
  readonly rotation?: RotationTalk | undefined;
  readonly addresses: AddressDerivation;
  readonly underlay: Underlay;
  /** WireGuard's own UDP port; null where it cannot be used beside WireGuard. It outlives the interface. */
  readonly wireguardPort: WireguardPort | null;
  /** Many UDP sockets at once, for a NAT that gives each destination another port; null where the system has none. */
  readonly openManySockets: OpenManySockets | null;
  /** Where WireGuard sends to for that peer now, be it that the peer roamed; null for a peer it does not have. */
  tunnelEndpoint(publicKey: PublicKey): Endpoint | null;
  /** What moves relayed packets; null where there is none. */
  readonly relayPlane: RelayPlane | null;
  /**
   * Checks at once whether the peer's probe listener answers through the tunnel, IPv4 and IPv6 together, within 600 ms.
   * Used to judge a GOODBYE from a peer with a fresh handshake.
   */
  probe(publicKey: PublicKey): Promise<boolean>;
}

/** The word of a new secret (row E7), which travels with what nodes say of themselves. */
export interface RotationTalk {
  /** What this node says now; at most two. */
  notices(): readonly RotationNotice[];
  /** A member says so; its signatures are not checked yet. */
  heard(notices: readonly RotationNotice[]): void;
}

/** A peer that the operator names. */
export interface StaticPeer {
  /** IP literal or DNS name. */
  readonly host: string;
  /** Control port; null for the mesh's own gossip port. */
  readonly port: number | null;
  /** Who is there, when that is known: the HELLO proves us to it then. */
  readonly publicKey?: PublicKey;
}

/** How often nodes tell each other through the tunnels what they know; see gossip.ts. */
export type GossipPace = "calm" | "steady" | "off";

/** What may be another while discovery runs (row C5); what is absent stays. */
export interface DiscoveryTuning {
  readonly gossip?: GossipPace;
  /** Of all that this node relays for others, bytes per second. */
  readonly relayLimitBytesPerSecond?: number;
  /** Where the operator says that WireGuard is reached; null leaves it to what is found. */
  readonly advertised?: AdvertisedEndpoint | null;
}

/** State of one layer for `status` (row D11). */
export interface LayerStatus {
  readonly name: string;
  readonly state: "off" | "starting" | "running" | "degraded" | "stopped";
  readonly detail: string;
  readonly lastError: string | null;
}

/** The discovery layer as the daemon sees it (row C8): injected with `setDiscovery`. */
export interface Discovery {
  /** Binds its sockets; rejects with ERR_CONTROL_PORT when the control port is taken. Resolves once it listens. */
  start(context: DiscoveryContext): Promise<void>;
  /** Tells every peer and the LAN at once that something about us changed (networks, endpoint). */
  announce(): void;
  /** One GOODBYE to each peer's control endpoint; resolves when sent. */
  goodbye(): Promise<void>;
  /** Closes the sockets. */
  stop(): Promise<void>;
  /** From now on these are the peers that the operator names. */
  setStaticPeers(peers: readonly StaticPeer[]): void;
  /** From now on these settings count. */
  tune(tuning: DiscoveryTuning): void;
  /** Connected peers give no answer: our address outside may have changed. May be called often. */
  doubt(): void;
  layers(): LayerStatus[];
  /** Why members may not be heard, as far as clocks go; null while they agree. */
  clockProblem(): string | null;
  /** Finds out how NATs and firewalls treat our sockets; up to 15 s. Null unless it runs. */
  examine(signal: AbortSignal): Promise<NatReport | null>;
  /** Counters of the receive path, for `status` and tests. */
  counters(): Readonly<Record<string, number>>;
  /** How many requests wait for their turn, and how many messages for an answer, by name; for a debugging eye. */
  queues(): Readonly<Record<string, number>>;
}
