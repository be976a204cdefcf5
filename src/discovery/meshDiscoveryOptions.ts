/**
 * What the discovery layer is told when it is made.
 */

import type { IpAddress, PublicKey } from "../core/types.ts";
import type { DhtOptions } from "./dht/options.ts";
import type { AdvertisedEndpoint } from "./ownAddressRules.ts";
import type { RegistrySetting } from "./registry/registry.ts";
import type { RelaySettings } from "./relay/relayLayer.ts";
import type { GossipPace, StaticPeer } from "./seams.ts";
import type { Spreading } from "./spreading.ts";
import type { Resolver } from "./staticPeers.ts";
import type { StunServer } from "./stun/servers.ts";
import type { UdpSocketFactory } from "./udpSocket.ts";

export interface MeshDiscoveryOptions {
  /** UDP control port of the mesh. */
  readonly gossipPort: number;
  readonly multicastGroup: string;
  /** 51830 for every mesh (PROTOCOL.md section 2). */
  readonly multicastPort: number;
  /** False with `--no-lan-discovery`. */
  readonly lan: boolean;
  readonly staticPeers: readonly StaticPeer[];
  /** Absent without `--registry`. */
  readonly registry?: RegistrySetting;
  /** In-mesh gossip: `steady` with `--gossip`, `off` with `--no-gossip`; `calm` when absent. */
  readonly gossip?: GossipPace;
  /** Announcements by stem and fluff; absent in a node that neither makes nor passes on any. */
  readonly spreading?: Spreading;
  readonly noIpv6: boolean;
  /** The only addresses sockets are bound to, at most one of each family; empty or absent for all. */
  readonly listenAddresses?: readonly IpAddress[];
  readonly noPunching: boolean;
  /** Nodes that may introduce us to others; empty or absent for any that proves itself. */
  readonly introducerKeys?: readonly PublicKey[];
  /** `--advertise-endpoint`: where the operator says that WireGuard is reached. */
  readonly advertised?: AdvertisedEndpoint | null;
  /** Asked where we are seen; none with `--no-stun`. */
  readonly stunServers: readonly StunServer[];
  /** `--discovery-iface`: LAN discovery on these links only; absent for all suitable ones. */
  readonly discoveryInterfaces?: readonly string[];
  /** Links LAN discovery leaves alone. */
  readonly excludeInterfaces?: readonly string[];
  /** Absent with `--no-dht`. */
  readonly dht?: DhtOptions;
  /** Absent: neither relays nor is relayed. */
  readonly relay?: RelaySettings;
  /** Tests put a network in memory here. */
  readonly bind?: UdpSocketFactory;
  readonly resolve?: Resolver;
}
