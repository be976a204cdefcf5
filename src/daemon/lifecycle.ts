/**
 * How a node starts (row C1) and, read backwards, how it stops (row C4): every step carries its own undo.
 */
import { handoverPath, peerCachePath, pidFilePath } from "../config/paths.ts";
import { messageOf } from "../core/errors.ts";
import type { Cidr, PublicKey } from "../core/types.ts";
import type { Prover } from "../discovery/seams.ts";
import { HealthTable } from "../mesh/health/table.ts";
import type { InterfaceOptions } from "../mesh/interfaceOptions.ts";
import { probe, probePaths } from "../mesh/probe.ts";
import { Reconciler } from "../mesh/reconciler.ts";
import { HostUnderlay } from "../mesh/underlay.ts";
import type { ClientBook } from "../peers/clients.ts";
import { LocalNode, NOTHING_LEARNED } from "../peers/localNode.ts";
import { PathTable } from "../peers/paths.ts";
import { PeerStore } from "../peers/store.ts";
import type { Backend } from "../wireguard/backend.ts";
import { type AddressKeeper, addressKeeperOf } from "./addressKeeper.ts";
import { type OwnNetworks, startClients } from "./clients.ts";
import { undoRoutes, withDeadline } from "./endings.ts";
import { type Handover, leavesInterface, restoreHandover, writeHandover } from "./handover.ts";
import { startHealth } from "./healthTasks.ts";
import type { Hooks } from "./hooks/hooks.ts";
import { startHooks } from "./hooks/step.ts";
import { HostRouting } from "./hostRouting.ts";
import { acquireInstanceLock } from "./instanceLock.ts";
import { InterfaceSteps } from "./interfaceSteps.ts";
import { cycleMeter, publishNode, sightingCounter } from "./nodeMetrics.ts";
import {
  defaultTiming,
  type Identity,
  type NodeLayers,
  type NodeParts,
  type NodeTiming,
  reconcileSettings,
} from "./parts.ts";
import { keepPeerCache, loadPeerCache, RememberedPeers } from "./peerCache.ts";
import { Pinger } from "./pinger.ts";
import { recover } from "./recovery.ts";
import { RouteHealth } from "./routeHealth.ts";
import type { StepRunner } from "./stepRunner.ts";
import type { Supervisor } from "./supervisor.ts";
import { tellEvents } from "./tellEvents.ts";
import { startWatches } from "./watches.ts";

/** A node that has started. */
export interface RunningNode {
  readonly backend: Backend;
  readonly self: LocalNode;
  readonly prover: Prover;
  readonly store: PeerStore;
  readonly paths: PathTable;
  readonly underlay: HostUnderlay;
  readonly reconciler: Reconciler;
  readonly health: HealthTable;
  readonly routing: HostRouting;
  readonly clients: ClientBook;
  readonly ownNetworks: OwnNetworks;
  readonly pinger: Pinger;
  readonly made: InterfaceSteps;
  readonly saveAddresses: Identity["save"];
  readonly remembered: RememberedPeers;
  /** Of the mesh addresses; one list for good, to which those of the next mesh are added. */
  readonly meshNetworks: Cidr[];
}

/**
 * Runs the steps of row C1 in their order. Rejects with what a step threw; the caller unwinds the runner then, as it does
 * at the end of the node's life.
 */
export async function startNode(
  parts: NodeParts,
  layers: NodeLayers,
  steps: StepRunner,
  supervisor: Supervisor,
): Promise<RunningNode> {
  const lifecycle = new Lifecycle(parts, layers, steps, supervisor);
  return await lifecycle.start();
}

class Lifecycle {
  readonly #parts: NodeParts;
  readonly #layers: NodeLayers;
  readonly #steps: StepRunner;
  readonly #supervisor: Supervisor;
  readonly #timing: NodeTiming;
  readonly #meshNetworks: Cidr[];
  readonly #health = new HealthTable();
  readonly #routeHealth: RouteHealth;
  readonly #routing: HostRouting;
  #drained: Promise<unknown> | null = null;
  #hooks: Hooks | null = null;
  /** Of the daemon before, whose interface stands; null starts as after any end. */
  #left: Handover | null = null;

  constructor(parts: NodeParts, layers: NodeLayers, steps: StepRunner, supervisor: Supervisor) {
    this.#parts = parts;
    this.#layers = layers;
    this.#steps = steps;
    this.#supervisor = supervisor;
    this.#routeHealth = new RouteHealth(parts, this.#health);
    this.#timing = { ...defaultTiming, ...parts.timing };
    const { meshSubnet, meshIpv6Prefix } = parts.addresses;
    this.#meshNetworks = parts.options.ipv6 ? [meshSubnet, meshIpv6Prefix] : [meshSubnet];
    this.#routing = new HostRouting(parts, this.#meshNetworks, this.#health);
  }

  async start(): Promise<RunningNode> {
    await this.#lock();
    const identity = await this.#steps.step("identity", () => this.#loadIdentity());
    const made = await this.#makeInterface(identity);
    this.#hooks = await startHooks(this.#parts, this.#steps, made);
    return await this.#startBackground(identity, made);
  }

  async #makeInterface(identity: Identity): Promise<InterfaceSteps> {
    const made = new InterfaceSteps(this.#parts, identity, this.#left);
    for (const { name, run } of made.all) {
      // Not before the addresses are known, and before anybody can see the node.
      if (name === "up") {
        const { meshIp, meshIpv6 } = made.choice;
        await this.#steps.step("state", () => identity.save(meshIp, meshIpv6));
      }
      const removal = name === "interface" ? { undo: () => this.#close(made.backend) } : {};
      await this.#steps.step(name, run, removal.undo);
      if (name === "interface") this.#parts.guard.takeOver();
    }
    return made;
  }

  async #lock(): Promise<void> {
    const { options, system, signals, log } = this.#parts;
    await this.#steps.step(
      "lock",
      () =>
        acquireInstanceLock({
          locks: system.locks,
          interfaceName: options.interfaceName,
          stateDir: options.stateDir,
          runDir: options.runDir,
          pidFile: pidFilePath(options),
          secondPidFile: options.pidFile,
          pid: system.pid,
          onStale: (pid) =>
            log.warn({ pid }, "the run before did not end in order, its PID file is replaced"),
        }),
      (lock) => lock.release(signals.handsOver),
    );
    this.#left = await this.#steps.step("recovery", () => recover(this.#parts, this.#routing));
  }

  #loadIdentity(): Identity {
    const identity = this.#parts.loadIdentity();
    this.#parts.log.info({ publicKey: identity.publicKey, created: identity.created }, "identity loaded");
    return identity;
  }

  async #startBackground(identity: Identity, made: InterfaceSteps): Promise<RunningNode> {
    const { options, clock, log, metrics, system, events } = this.#parts;
    const { backend } = made;
    const routing = this.#routing;
    const self = this.#localNode(identity, made);
    const measureCycle = cycleMeter(metrics);
    const addressKeeper = addressKeeperOf(this.#parts, identity, made, self);
    const store = new PeerStore({
      clock,
      ownKey: identity.publicKey,
      addresses: this.#parts.addresses,
      strictAddresses: options.strictAddresses,
      noIpv6: !options.ipv6,
      maxPeers: options.maxPeers,
      self,
      onRival: (rival) => addressKeeper.contested(rival),
      onSighting: sightingCounter(metrics),
      onListenerError: (error) =>
        log.error({ reason: messageOf(error) }, "listener of the peer store failed"),
    });
    addressKeeper.follow(store);
    const { clients, clientPeers, ownNetworks } = startClients(this.#parts, self, store, this.#meshNetworks);
    publishNode(metrics, store, self);
    const paths = new PathTable();
    const health = this.#health;
    tellEvents(events, { store, paths, self });
    store.subscribe((event) => {
      if (event.type === "removed") paths.forget(event.peer.publicKey);
    });
    const underlay = await this.#steps.step(
      "underlay",
      () => this.#openUnderlay(),
      (opened) => opened.close(),
    );
    const routeTable = system.routeTable(options.interfaceName);
    const reconciler = await this.#steps.step(
      "routes",
      () =>
        new Reconciler({
          clock,
          log: log.child({ module: "mesh" }),
          backend,
          store,
          self,
          paths,
          routeTable,
          routePolicy: options.acceptRoutes,
          meshNetworks: this.#meshNetworks,
          underlay,
          isUsable: this.#routeHealth.isUsable,
          onReport: ({ durationMs }) => measureCycle(durationMs),
          onMended: (found) => events.emit("interface.mended", { data: { found } }),
          exitPeer: routing.exitPeer,
          keeps: () => routing.keeps(self.snapshot),
          forward: (_, inside) =>
            routing.ensure(self.snapshot, inside, () => underlay.hostAddresses(), made.addresses()),
          interface: this.#interfaceOptions(made, self),
          settings: this.#parts.reconcile ?? reconcileSettings(options),
          keptOut: (publicKey) => health.isOut(publicKey),
          clients: clientPeers,
        }),
      async () => {
        if (this.#leaves(backend)) return;
        await undoRoutes(system.interfaceControl(options.interfaceName), routeTable, routing);
      },
    );
    const { mesh } = this.#parts;
    const remembered = new RememberedPeers(store, { path: peerCachePath(options), mesh, clock });
    await this.#steps.step(
      "peers",
      () => this.#restorePeers(store),
      async () => {
        try {
          await remembered.save();
        } finally {
          if (this.#leaves(backend)) await this.#leaveTo(store, self);
        }
      },
    );
    const pinger = new Pinger({ clock, metrics, store, self, mesh: this.#parts.mesh });
    const { prover, save: saveAddresses } = identity;
    const moving = { made, saveAddresses, remembered, routing, meshNetworks: this.#meshNetworks };
    const own = { clients, ownNetworks, self };
    const node = { backend, ...own, prover, store, paths, underlay, reconciler, health, pinger, ...moving };
    await this.#startDiscovery(node);
    clients.subscribe(() => this.#layers.discovery?.announce());
    await this.#steps.step(
      "tasks",
      () => this.#startTasks(node, addressKeeper),
      (_, hurry) => this.#drain(hurry),
    );
    return node;
  }

  #leaves(backend: Backend): boolean {
    return leavesInterface(this.#parts.signals, backend);
  }

  #close(backend: Backend): void {
    const leaves = this.#leaves(backend);
    if (leaves) this.#parts.guard.leave(backend.interfaceIndex);
    backend.close(!leaves);
  }

  #leaveTo(store: PeerStore, self: LocalNode): Promise<void> {
    const { options, version } = this.#parts;
    const { instance } = self.snapshot;
    const peers = store.list();
    return writeHandover(handoverPath(options), { version, instance, listenPort: options.listenPort, peers });
  }

  #interfaceOptions(made: InterfaceSteps, self: LocalNode): InterfaceOptions {
    const { options, system } = this.#parts;
    return {
      control: system.interfaceControl(options.interfaceName),
      addresses: () => made.addresses(),
      mtu: options.mtu,
      pathTo: (host) => system.pathTo(host),
      remake: async () => {
        await made.again();
        this.#hooks?.up(this.#parts.signals.hurrySignal);
        const wireguardPort = made.backend.listenPort();
        if (wireguardPort !== self.snapshot.wireguardPort) self.update({ wireguardPort });
      },
    };
  }

  #localNode(identity: Identity, { backend, choice }: InterfaceSteps): LocalNode {
    const { options, system, random } = this.#parts;
    return new LocalNode({
      ...NOTHING_LEARNED,
      publicKey: identity.publicKey,
      hostname: wireHostname(system.hostname()),
      meshIp: choice.meshIp,
      meshIpv6: choice.meshIpv6,
      wireguardPort: backend.listenPort(),
      networks: options.advertiseRoutes,
      introducer: options.introducer,
      exitNode: options.advertiseExitNode,
      instance: this.#left?.instance ?? random.bytes(8).toString("hex"),
    });
  }

  #openUnderlay(): HostUnderlay {
    const { options, system } = this.#parts;
    const underlay = new HostUnderlay({
      host: system.host,
      interfaceName: options.interfaceName,
      listenAddresses: options.listenAddresses,
      meshNetworks: this.#meshNetworks,
    });
    underlay.open();
    return underlay;
  }

  /** A cache that cannot be used is no reason not to start: discovery finds the peers again. */
  async #restorePeers(store: PeerStore): Promise<void> {
    const { options, clock, log, mesh, rotation } = this.#parts;
    const cached = { networkId: mesh.networkId, isMoved: rotation?.isMoved ?? false };
    try {
      if (this.#left !== null) restoreHandover(store, this.#left.peers);
      await loadPeerCache(peerCachePath(options), store, cached, clock.wallMs(), log);
    } catch (error) {
      log.warn({ reason: messageOf(error) }, "peer cache not usable");
    }
  }

  async #startDiscovery(node: RunningNode): Promise<void> {
    const { discovery } = this.#layers;
    if (discovery === null) return;
    const { clock, random, log, metrics, sealer, membership, rotation, addresses } = this.#parts;
    const { backend, store, self, paths, underlay } = node;
    const context = {
      clock,
      random,
      log: log.child({ module: "discovery" }),
      metrics,
      scope: this.#supervisor,
      store,
      self,
      paths,
      ...{ sealer, membership, rotation },
      prover: node.prover,
      addresses,
      underlay,
      wireguardPort: backend.wireguardPort,
      openManySockets: this.#parts.openManySockets(() => self.snapshot.wireguardPort),
      tunnelEndpoint: (publicKey: PublicKey) => node.reconciler.actual(publicKey)?.endpoint ?? null,
      relayPlane: this.#parts.openRelayPlane(() => self.snapshot.wireguardPort, backend.name),
      probe: (publicKey: PublicKey) => this.#probe(node, publicKey),
    };
    await this.#steps.step(
      "discovery",
      async () => {
        try {
          await discovery.start(context);
        } catch (error) {
          await this.#drain(this.#parts.signals.hurrySignal);
          await discovery.stop();
          throw error;
        }
      },
      async (_, hurry) => {
        await this.#drain(hurry);
        // To the peers a restart is a node that was busy for a moment.
        if (!this.#parts.signals.handsOver)
          await withDeadline(discovery.goodbye(), this.#parts, this.#timing.goodbyeMs, hurry);
        await discovery.stop();
      },
    );
  }

  async #probe({ store, self }: RunningNode, publicKey: PublicKey): Promise<boolean> {
    const peer = store.get(publicKey);
    if (peer === undefined) return false;
    const { clock, mesh } = this.#parts;
    return (await probe(probePaths(self.snapshot, peer), mesh.probePort, clock)) !== null;
  }

  #startTasks(node: RunningNode, addressKeeper: AddressKeeper): void {
    const { reconciler, remembered: peers, store } = node;
    const { clock, troubles } = this.#parts;
    const supervisor = this.#supervisor;
    supervisor.start("reconcile", "critical", (signal) => reconciler.run(signal));
    const ask = (publicKey: PublicKey): Promise<boolean> => this.#probe(node, publicKey);
    const watch = startHealth(this.#parts, node, supervisor, this.#timing.expireMs);
    this.#routeHealth.start(node, supervisor, { ...watch, ask });
    supervisor.start("own-addresses", "restart", (signal) => addressKeeper.run(signal));
    startWatches(this.#parts, node, this.#layers.discovery, supervisor, { ...watch, ask });
    const saving = { clock, troubles, store, peers, everyMs: this.#timing.cacheSaveMs };
    supervisor.start("peer-cache", "restart", (signal) => keepPeerCache(saving, signal));
  }

  /** Cancels all tasks and waits for them, once. */
  async #drain(hurry: AbortSignal): Promise<void> {
    this.#drained ??= this.#supervisor.shutdown(this.#timing.drainMs, hurry);
    await this.#drained;
  }
}

/** What the wire takes (PROTOCOL.md section 4.7): at most 253 printable ASCII characters. */
const wireHostname = (hostname: string): string => hostname.replace(/[^\x20-\x7e]/g, "?").slice(0, 253);
