/**
 * One member of a simulated mesh: the daemon's own discovery, peer store, reconciler and watches on twins of everything they touch. A
 * node outlives its runs: key, address and cache stay when it is started anew.
 */
import { type DaemonOptions, daemonOptions } from "../../../src/config/options.ts";
import { sleep } from "../../../src/core/clock.ts";
import { silentLog } from "../../../src/core/log.ts";
import type { Random } from "../../../src/core/random.ts";
import type { Cidr, IpAddress, PublicKey } from "../../../src/core/types.ts";
import type { NodeParts } from "../../../src/daemon/parts.ts";
import { spreading } from "../../../src/daemon/spreading.ts";
import { Supervisor } from "../../../src/daemon/supervisor.ts";
import { startWatches } from "../../../src/daemon/watches.ts";
import { MeshDiscovery, type MeshDiscoveryOptions } from "../../../src/discovery/meshDiscovery.ts";
import type { Spreading } from "../../../src/discovery/spreading.ts";
import { otherPlaces } from "../../../src/mesh/health/places.ts";
import { HealthTable } from "../../../src/mesh/health/table.ts";
import { HealthWatch } from "../../../src/mesh/health/watch.ts";
import { Reconciler } from "../../../src/mesh/reconciler.ts";
import { defaultReconcileSettings, type ReconcileSettings } from "../../../src/mesh/reconcileSettings.ts";
import type { RouteTable } from "../../../src/mesh/routes.ts";
import { HostUnderlay } from "../../../src/mesh/underlay.ts";
import { MetricsRegistry } from "../../../src/observe/metrics.ts";
import type { AddressDerivation } from "../../../src/peers/addresses.ts";
import { decodePeerCache, encodePeerCache } from "../../../src/peers/cacheFile.ts";
import { LocalNode } from "../../../src/peers/localNode.ts";
import { PathTable } from "../../../src/peers/paths.ts";
import { PeerStore, type PeerStoreOptions } from "../../../src/peers/store.ts";
import type { Backend, PeerChange } from "../../../src/wireguard/backend.ts";
import { ReplaceableBackend } from "../../../src/wireguard/replaceableBackend.ts";
import { FakeRoutes } from "../../unit/mesh/fakeRoutes.ts";
import { SimDevice } from "./device.ts";
import type { SimDht } from "./dht.ts";
import type { EventQueue } from "./eventQueue.ts";
import { memberKey, memberProver, memberSealer } from "./identities.ts";
import { type Host, type Network, noTraffic } from "./network.ts";
import { NodeClock } from "./nodeClock.ts";
import { heardSpreading } from "./spreading.ts";

export const GOSSIP_PORT = 52_000;
const WIREGUARD_PORT = 51_820;
const PROBE_PORT = 52_001;
/** As in daemon/parts.ts. */
const EXPIRE_MS = 60_000;
const CACHE_SAVE_MS = 5 * 60_000;

/** What everybody in a world shares. */
export interface Surroundings {
  readonly queue: EventQueue;
  readonly network: Network;
  readonly dht: SimDht;
  readonly addresses: AddressDerivation;
  readonly random: (name: string) => Random;
  readonly reconcile: Partial<ReconcileSettings>;
  /** Stores are told of handshakes at once, where `reconcile` reads the interface too seldom for a daemon's pace. */
  readonly tellsHandshakes?: boolean;
  /** What is put in the place of a part; a test plants its faults here. */
  readonly faults: Faults;
}

export interface Faults {
  readonly store?: (options: PeerStoreOptions) => PeerStore;
  readonly backend?: (device: SimDevice) => Backend;
  readonly routes?: () => FakeRoutes;
  readonly discovery?: (discovery: MeshDiscovery, clock: NodeClock) => void;
  readonly spreading?: (spreading: Spreading, node: SimNode) => Spreading;
}

/** Told of what a run does, as it does it. */
export interface Observer {
  started(node: SimNode, run: Run): void;
  applied(node: SimNode, changes: readonly PeerChange[]): void;
  shookHands(node: SimNode, peer: PublicKey): void;
  failed(node: SimNode, error: unknown): void;
  /** A datagram of discovery leaves, to an address of the network or of the mesh. */
  readonly sent?: ((node: SimNode, data: Buffer, to: string) => void) | undefined;
  /** An announcement by stem and fluff came in, by its nonce. */
  readonly passedOn?: ((node: SimNode, nonce: string) => void) | undefined;
}

export interface NodeSettings {
  readonly networks: readonly Cidr[];
  readonly discovery: Pick<MeshDiscoveryOptions, "lan" | "staticPeers"> & { readonly dht: boolean };
  /** `--max-peers`; the daemon's default unless told. */
  readonly maxPeers?: number | undefined;
  /** `--privacy`; absent where no member knows of stem and fluff. */
  readonly isPrivate?: boolean | undefined;
}

/** A node between its start and its end. */
export interface Run {
  readonly instance: string;
  readonly clock: NodeClock;
  readonly self: LocalNode;
  readonly store: PeerStore;
  readonly device: SimDevice;
  readonly routes: FakeRoutes;
  readonly underlay: HostUnderlay;
  readonly discovery: MeshDiscovery;
  readonly reconciler: Reconciler;
  readonly health: HealthTable;
  readonly supervisor: Supervisor;
}

const defaults = Object.fromEntries(
  Object.entries(daemonOptions).map(([key, row]) => [key, row.default]),
) as unknown as DaemonOptions;

export class SimNode {
  readonly index: number;
  readonly key: PublicKey;
  readonly host: Host;
  readonly settings: NodeSettings;
  /** How far its wall clock is wrong, in milliseconds. */
  clockErrorMs = 0;
  /** Null while it is down. */
  run: Run | null = null;
  readonly #world: Surroundings;
  readonly #observer: Observer;
  readonly #bootMs: number;
  #runs = 0;
  #cache = "";
  #networkChanged = (): void => {};

  constructor(world: Surroundings, observer: Observer, index: number, host: Host, settings: NodeSettings) {
    this.#world = world;
    this.#observer = observer;
    this.index = index;
    this.key = memberKey(index);
    this.host = host;
    this.settings = settings;
    const { sent } = observer;
    if (sent !== undefined) host.watch = (data, to) => sent(this, data, to);
    this.#bootMs = Math.floor(world.random(`boot ${index}`).unit() * 86_400_000);
  }

  start(): void {
    if (this.run !== null) return;
    this.#runs += 1;
    const { queue, network, addresses, faults, tellsHandshakes } = this.#world;
    const random = this.#world.random(`run ${this.#runs} of ${this.index}`);
    const clock = new NodeClock(queue, this.#bootMs, this.clockErrorMs);
    const instance = random.bytes(8).toString("hex");
    const self = this.#localNode(instance);
    const { meshIp } = self.snapshot;
    const observer = this.#observer;
    const device = new SimDevice({
      ...{ queue, network, host: this.host, clock, publicKey: this.key, meshIp },
      applied: (changes) => observer.applied(this, changes),
      shookHands: (peer) => {
        observer.shookHands(this, peer);
        if (tellsHandshakes === true) store.noteHandshake(peer, clock.wallMs());
      },
    });
    const storeOptions = {
      ...{ clock, ownKey: this.key, addresses, self },
      ...{ strictAddresses: false, noIpv6: false },
      ...(this.settings.maxPeers === undefined ? {} : { maxPeers: this.settings.maxPeers }),
      onListenerError: (error: unknown) => observer.failed(this, error),
    };
    const store = faults.store?.(storeOptions) ?? new PeerStore(storeOptions);
    const underlay = this.#underlay();
    const routes = faults.routes?.() ?? new FakeRoutes();
    const supervisor = new Supervisor(clock, silentLog);
    const backend = new ReplaceableBackend(device.interfaceName);
    const paths = new PathTable();
    store.subscribe((event) => {
      if (event.type === "removed") paths.forget(event.peer.publicKey);
    });
    const health = new HealthTable();
    const reconciler = this.#reconciler({
      clock,
      backend,
      store,
      self,
      paths,
      routes,
      underlay,
      device,
      health,
    });
    const discovery = new MeshDiscovery({
      ...this.settings.discovery,
      ...{ gossipPort: GOSSIP_PORT, multicastGroup: "239.192.7.9", multicastPort: 51_830 },
      ...{ noIpv6: false, noPunching: false, stunServers: [], bind: network.factory(this.host) },
      resolve: () => Promise.reject(new Error("no names here")),
      ...this.#spreading(),
      ...(this.settings.discovery.dht ? { dht: this.#world.dht.optionsFor(this.host, clock) } : {}),
    } as MeshDiscoveryOptions);
    faults.discovery?.(discovery, clock);
    this.run = {
      ...{ instance, clock, self, store, device, routes, underlay },
      ...{ discovery, reconciler, health, supervisor },
    };
    this.host.traffic = noTraffic();
    observer.started(this, this.run);
    void this.#begin(this.run, backend, paths, random).catch((error) => observer.failed(this, error));
  }

  /** Ends as by kill -9. */
  crash(): void {
    const { run } = this;
    if (run === null) return;
    this.run = null;
    run.clock.end();
    this.host.closeSockets();
    run.device.close();
  }

  /** The orderly end: goodbye is said, the cache saved. */
  async leave(): Promise<void> {
    const { run } = this;
    if (run === null) return;
    void run.supervisor.shutdown(1_000);
    await run.discovery.goodbye();
    if (this.run !== run) return;
    await run.discovery.stop();
    this.#save(run);
    this.crash();
  }

  /** The host has another address from now on. */
  move(ip: string): void {
    this.#world.network.move(this.host, ip);
    this.#networkChanged();
  }

  setPlugged(plugged: boolean): void {
    this.host.plugged = plugged;
    this.#networkChanged();
  }

  /** Sets the wall clock, as an operator or NTP would. */
  setClockError(errorMs: number): void {
    this.clockErrorMs = errorMs;
    if (this.run !== null) this.run.clock.errorMs = errorMs;
  }

  async #begin(run: Run, backend: ReplaceableBackend, paths: PathTable, random: Random): Promise<void> {
    const { clock, self, store, device, underlay, discovery, reconciler, supervisor } = run;
    await backend.open(async () => this.#world.faults.backend?.(device) ?? device);
    backend.configure(WIREGUARD_PORT);
    backend.up();
    underlay.open();
    for (const sighting of decodePeerCache(this.#cache, clock.wallMs()).sightings) store.observe(sighting);
    const metrics = new MetricsRegistry();
    await discovery.start({
      ...{ clock, random, metrics, scope: supervisor, store, self, paths, underlay, log: silentLog },
      ...{ sealer: memberSealer, prover: memberProver(this.key), addresses: this.#world.addresses },
      ...{ wireguardPort: backend.wireguardPort, openManySockets: null, relayPlane: null },
      tunnelEndpoint: (publicKey) => reconciler.actual(publicKey)?.endpoint ?? null,
      probe: (publicKey) => this.#ping(run, publicKey),
    });
    supervisor.start("reconcile", "critical", (signal) => reconciler.run(signal));
    void supervisor.criticalFailure.then((error) => this.#observer.failed(this, error));
    const parts = {
      ...{ clock, random, metrics, log: silentLog, options: { ...defaults, interfaceName: "wg0" } },
      machine: { run: () => Promise.resolve() },
      mesh: { networkId: "", gossipPort: GOSSIP_PORT, probePort: PROBE_PORT, multicastGroup: "239.192.1.2" },
      system: { bootMs: () => clock.monotonicMs(), cpuMs: () => 0, sentBytes: () => device.sentBytes() },
    } as unknown as NodeParts;
    const watch = this.#healthWatch(run, paths);
    device.asked = (from) => watch.asked(from);
    reconciler.onRead((peers) => watch.noted(peers));
    supervisor.start("health", "restart", (signal) => watch.run(signal));
    startWatches(parts, { backend, reconciler, paths, underlay }, discovery, supervisor, {
      ask: (publicKey) => this.#ping(run, publicKey),
      silent: (peers) => watch.silent(peers),
      sentBytes: () => 0,
    });
    this.#every(run, EXPIRE_MS, () => store.expire());
    this.#every(run, CACHE_SAVE_MS, () => this.#save(run));
  }

  #healthWatch({ clock, store, health, device, reconciler, underlay }: Run, paths: PathTable): HealthWatch {
    return new HealthWatch({
      ...{ clock, store, paths, table: health, ownKey: this.key },
      random: this.#world.random(`health ${this.#runs} of ${this.index}`),
      ask: async ({ meshIp }, _thorough, timeoutMs) =>
        meshIp !== null && (await device.ping(meshIp, timeoutMs)) ? clock.monotonicMs() : null,
      otherPlaces: (peer) =>
        otherPlaces({
          peer,
          path: paths.get(peer.publicKey),
          current: reconciler.actual(peer.publicKey)?.endpoint ?? null,
          isAllowed: (host) => !underlay.isInsideMesh(host) && !underlay.isElsewhere(host),
        }),
      restartHandshake: (publicKey, to) => reconciler.restartHandshake(publicKey, to),
      changed: () => reconciler.request(),
      tell: () => {},
    });
  }

  #reconciler({
    device,
    routes,
    health,
    ...parts
  }: Pick<Run, "clock" | "store" | "self" | "underlay" | "device" | "health"> & {
    readonly backend: ReplaceableBackend;
    readonly paths: PathTable;
    readonly routes: RouteTable;
  }): Reconciler {
    const { meshIp, meshIpv6 } = parts.self.snapshot;
    const { addresses } = this.#world;
    const held = [
      { address: meshIp, prefixLength: 16 },
      { address: meshIpv6 as string, prefixLength: 64 },
    ];
    const { interfaceIndex: index } = device;
    let mtu = 1420;
    return new Reconciler({
      ...parts,
      log: silentLog,
      routeTable: routes,
      routePolicy: "all",
      meshNetworks: [addresses.meshSubnet, addresses.meshIpv6Prefix],
      forward: async () => {},
      keptOut: (publicKey) => health.isOut(publicKey),
      settings: { ...defaultReconcileSettings, ...this.#world.reconcile },
      interface: {
        addresses: () => held,
        mtu: null,
        pathTo: () => ({ linkName: "eth0", mtu: 1500, type: "unicast" }),
        remake: () => Promise.reject(new Error("the interface of a simulated node is never lost")),
        control: {
          link: () => ({ index, kind: "wireguard", mtu, up: true }),
          addresses: () => held,
          addAddress: () => {},
          removeAddress: () => {},
          isRouted: () => true,
          setMtu: (bytes) => {
            mtu = bytes;
          },
        },
      },
    });
  }

  /** Stem and fluff as the daemon has them, listened to. */
  #spreading(): Pick<MeshDiscoveryOptions, "spreading"> {
    const { isPrivate } = this.settings;
    if (isPrivate === undefined) return {};
    const { faults } = this.#world;
    const heard = heardSpreading(spreading(isPrivate, GOSSIP_PORT), (nonce) =>
      this.#observer.passedOn?.(this, nonce),
    );
    return { spreading: faults.spreading?.(heard, this) ?? heard };
  }

  #localNode(instance: string): LocalNode {
    const { addresses } = this.#world;
    return new LocalNode({
      publicKey: this.key,
      hostname: `member-${this.index}`,
      meshIp: addresses.meshIpv4(this.key, 0) as IpAddress,
      meshIpv6: addresses.meshIpv6(this.key) as IpAddress,
      wireguardPort: WIREGUARD_PORT,
      ...{ externalHost: null, externalWireguardPort: null, externalControl: null, candidates: [] },
      networks: this.settings.networks,
      ...{ introducer: false, relays: false, natType: "unknown", instance },
    });
  }

  #underlay(): HostUnderlay {
    const { host } = this;
    const { meshSubnet, meshIpv6Prefix } = this.#world.addresses;
    const link = { index: 2, name: "eth0", kind: "", loopback: false, multicast: true, pointToPoint: false };
    return new HostUnderlay({
      interfaceName: "wg0",
      meshNetworks: [meshSubnet, meshIpv6Prefix],
      host: {
        links: () => [{ ...link, up: host.plugged }],
        addresses: () => [{ linkName: "eth0", address: host.ip, prefixLength: 24 }],
        watch: (onChange) => {
          this.#networkChanged = onChange;
          return { close: () => {} };
        },
      },
    });
  }

  async #ping({ device, store }: Run, publicKey: PublicKey): Promise<boolean> {
    const meshIp = store.get(publicKey)?.meshIp ?? null;
    return meshIp !== null && (await device.ping(meshIp));
  }

  #every({ supervisor, clock }: Run, everyMs: number, action: () => void): void {
    supervisor.start(`every ${everyMs} ms`, "restart", async (signal) => {
      for (;;) {
        await sleep(clock, everyMs, signal);
        action();
      }
    });
  }

  #save({ store, clock }: Run): void {
    this.#cache = encodePeerCache(store.list(), clock.wallMs());
  }
}
