/**
 * The next mesh, while this node is in two: its own store, its own voice, and what the interface holds for it. Who is heard there with a
 * proof has the new secret.
 */
import type { Cidr, IpAddress, PublicKey } from "../../core/types.ts";
import type { DiscoveryContext, StaticPeer } from "../../discovery/seams.ts";
import type { MeshIdentity } from "../../identity/meshIdentity.ts";
import { keyInTurn, type Moving } from "../../mesh/moving.ts";
import { MetricsRegistry } from "../../observe/metrics.ts";
import { LocalNode } from "../../peers/localNode.ts";
import { PathTable } from "../../peers/paths.ts";
import type { Peer } from "../../peers/peer.ts";
import { PeerStore } from "../../peers/store.ts";
import type { RunningNode } from "../lifecycle.ts";
import { chooseMeshAddresses } from "../meshAddresses.ts";
import type { NodeParts } from "../parts.ts";
import type { MovingDiscovery } from "./movingDiscovery.ts";
import { whoMayHaveIt } from "./whoMayHaveIt.ts";

/** More peers than this are met by LAN, DHT and each other. */
const MOST_ASKED = 64;

export class SecondMesh implements Moving {
  readonly mesh: MeshIdentity;
  readonly store: PeerStore;
  readonly self: LocalNode;
  /** Of this node's mesh addresses there. */
  readonly networks: readonly Cidr[];
  readonly settled = false;
  readonly #parts: NodeParts;
  readonly #node: RunningNode;
  readonly #discovery: MovingDiscovery;
  readonly #shownAtMs = new Map<PublicKey, number>();
  readonly #ends: (() => void)[] = [];

  constructor(mesh: MeshIdentity, parts: NodeParts, node: RunningNode, discovery: MovingDiscovery) {
    const { options, clock, log } = parts;
    const own = node.self.snapshot;
    this.mesh = mesh;
    this.#parts = parts;
    this.#node = node;
    this.#discovery = discovery;
    const { meshIp, meshIpv6 } = chooseMeshAddresses({
      publicKey: own.publicKey,
      // As a start with the new secret would choose: with --mesh-subnet the IPv4 address stays.
      pinned: own,
      derivation: mesh.addresses,
      ipv6: own.meshIpv6 !== null,
    });
    this.self = new LocalNode({ ...own, meshIp, meshIpv6, settled: false });
    const { meshSubnet, meshIpv6Prefix } = mesh.addresses;
    this.networks = meshIpv6 === null ? [meshSubnet] : [meshSubnet, meshIpv6Prefix];
    this.store = new PeerStore({
      clock,
      ownKey: own.publicKey,
      addresses: mesh.addresses,
      strictAddresses: options.strictAddresses,
      noIpv6: !options.ipv6,
      self: this.self,
      onListenerError: (error) => log.error({ reason: String(error) }, "listener of the next mesh failed"),
    });
  }

  /** Rejects with ERR_CONTROL_PORT; nothing has changed then. */
  async start(): Promise<void> {
    const { context } = this.#discovery;
    if (context === null) throw new TypeError("the discovery has not started");
    const { self, reconciler } = this.#node;
    this.#ends.push(
      self.subscribe((snapshot) => {
        const { meshIp, meshIpv6 } = this.self.snapshot;
        this.self.update({ ...snapshot, meshIp, meshIpv6, settled: false });
      }),
      this.store.subscribe((event) => {
        if (event.type !== "removed") this.#noteShown(event.peer);
        reconciler.request();
      }),
      reconciler.onRead((peers) => {
        for (const { publicKey, lastHandshakeMs } of peers)
          this.store.noteHandshake(publicKey, lastHandshakeMs);
      }),
    );
    try {
      await this.#discovery.startSecond(this.mesh, this.#contextOf(context));
    } catch (error) {
      this.#end();
      throw error;
    }
    this.tick();
  }

  async stop(): Promise<void> {
    this.#end();
    await this.#discovery.stopSecond();
  }

  /** Every few seconds: asks the members that have not shown it, through their tunnels and beside them. */
  tick(): void {
    this.store.expire();
    const asked = whoMayHaveIt(
      this.#node.store.list().filter(({ publicKey }) => !this.has(publicKey)),
      this.#parts.clock.wallMs(),
    ).slice(0, MOST_ASKED);
    // Through its tunnel the HELLO is for the peer alone, and proves us: one to an address could be anybody's, and a peer to whom we have
    // proved ourselves before takes no other. A relayed peer can be asked nowhere else.
    const inside = asked.flatMap(({ publicKey, meshIp }) =>
      meshIp === null ? [] : [{ host: meshIp, publicKey }],
    );
    const outside = asked.flatMap((peer) => [peer.controlEndpoint?.host, peer.endpoint?.host]);
    const places: StaticPeer[] = [
      ...inside.map((place) => ({ ...place, port: null })),
      ...[...new Set(outside)].flatMap((host) => (host === undefined ? [] : [{ host, port: null }])),
    ];
    this.#discovery.askSecond(places);
  }

  /** The peer has shown that it has the new secret. */
  has(publicKey: PublicKey): boolean {
    return this.#shownAtMs.has(publicKey);
  }

  /** Peers that have shown it, as they are in the next mesh. */
  holders(): Peer[] {
    return this.store.list().filter(({ publicKey }) => this.has(publicKey));
  }

  join(known: readonly Peer[]): readonly Peer[] {
    const keys = new Set(known.map(({ publicKey }) => publicKey));
    return [...known, ...this.holders().filter(({ publicKey }) => !keys.has(publicKey))];
  }

  addressesOf(publicKey: PublicKey): readonly IpAddress[] {
    const peer = this.has(publicKey) ? this.store.get(publicKey) : undefined;
    if (peer === undefined) return [];
    return [peer.meshIp, peer.meshIpv6].filter((address) => address !== null);
  }

  presharedKeyOf(peer: Peer, nowMs: number): "next" | undefined {
    const shownAtMs = this.#shownAtMs.get(peer.publicKey);
    if (shownAtMs === undefined) return undefined;
    return keyInTurn(peer.lastHandshakeMs, this.#parts.clock.monotonicMs() - shownAtMs, nowMs);
  }

  #noteShown(peer: Peer): void {
    if (!peer.proven || this.#shownAtMs.has(peer.publicKey)) return;
    this.#shownAtMs.set(peer.publicKey, this.#parts.clock.monotonicMs());
    this.#parts.log.info({ publicKey: peer.publicKey }, "peer has the new secret");
  }

  #contextOf(context: DiscoveryContext): DiscoveryContext {
    const { mesh } = this;
    return {
      ...context,
      log: context.log.child({ module: "discovery.next" }),
      // Those of the present mesh go on.
      metrics: new MetricsRegistry(),
      store: this.store,
      self: this.self,
      paths: new PathTable(),
      sealer: mesh.secret,
      membership: mesh.membership,
      rotation: undefined,
      addresses: mesh.addresses,
      wireguardPort: null,
      openManySockets: null,
      relayPlane: null,
    };
  }

  #end(): void {
    for (const end of this.#ends.splice(0)) end();
  }
}
