/**
 * Who has which network now: the route policy with its memory (row E3). Owned by the reconciler.
 */
import type { Cidr, PublicKey } from "../core/types.ts";
import type { LocalNodeSnapshot } from "../peers/localNode.ts";
import type { Peer } from "../peers/peer.ts";
import {
  type AcceptedNetworks,
  acceptNetworks,
  type RefusedNetwork,
  type RoutePolicy,
} from "./routePolicy.ts";

export interface NetworkChoiceOptions {
  /** At the start. */
  readonly routePolicy: RoutePolicy;
  readonly meshNetworks: readonly Cidr[];
  readonly underlay: { connectedNetworks(): readonly Cidr[] };
  /** Absent: every peer. */
  readonly isUsable?: (publicKey: PublicKey) => boolean;
  /** Who gets what has no other way; absent gives nobody. */
  readonly exitPeer?: (peers: readonly Peer[], own: LocalNodeSnapshot) => PublicKey | null;
}

export class NetworkChoice {
  readonly #options: NetworkChoiceOptions;
  #policy: RoutePolicy;
  #holders: ReadonlyMap<Cidr, PublicKey> = new Map();
  #refused: readonly RefusedNetwork[] = [];
  #replaceable: ReadonlySet<PublicKey> = new Set();

  constructor(options: NetworkChoiceOptions) {
    this.#options = options;
    this.#policy = options.routePolicy;
  }

  setPolicy(policy: RoutePolicy): void {
    this.#policy = policy;
  }

  /** Networks that peers advertise and that are not routed, with the reason. */
  get refused(): readonly RefusedNetwork[] {
    return this.#refused;
  }

  /** Peers that have a network which others would take over. */
  get replaceable(): ReadonlySet<PublicKey> {
    return this.#replaceable;
  }

  /** @param nowMs Unix time */
  decide(peers: readonly Peer[], own: LocalNodeSnapshot, nowMs: number): AcceptedNetworks {
    const { meshNetworks, underlay, isUsable = () => true, exitPeer = () => null } = this.#options;
    const accepted = acceptNetworks({
      ...{ peers, meshNetworks, nowMs },
      policy: this.#policy,
      ownNetworks: own.networks,
      underlayNetworks: peers.some((peer) => peer.networks.length > 0) ? underlay.connectedNetworks() : [],
      ipv6: own.meshIpv6 !== null,
      preference: { isUsable, holders: this.#holders },
    });
    this.#holders = accepted.holders;
    this.#refused = accepted.refused;
    this.#replaceable = accepted.replaceable;
    const exit = exitPeer(peers, own);
    if (exit === null) return accepted;
    // Allowed to that peer, but no routes of the main table (exitRoutes.ts) and no network of the mesh.
    const everything = (own.meshIpv6 === null ? ["0.0.0.0/0"] : ["0.0.0.0/0", "::/0"]) as Cidr[];
    const byPeer = new Map(accepted.byPeer).set(exit, [...(accepted.byPeer.get(exit) ?? []), ...everything]);
    return { ...accepted, byPeer };
  }
}
