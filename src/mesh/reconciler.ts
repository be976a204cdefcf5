/**
 * The single owner of the interface, its peers and the routes into it while the daemon runs (row E2).
 *
 * It looks whether the interface is as it was made, and mends it or has it made anew; it reads the interface, compares it with what the store asks for, and applies the difference in one batch: after every
 * change (a burst of them is one batch) and every 5 s as a safety net. Nothing else writes to the device.
 * Of addresses and routes the kernel tells every change: a sweep that nothing asked for looks at the device, of which nobody tells.
 */
import { nextBeatMs } from "../core/beat.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Cidr, Endpoint, PublicKey } from "../core/types.ts";
import { isConnected } from "../peers/connected.ts";
import type { LocalNode } from "../peers/localNode.ts";
import type { PathTable } from "../peers/paths.ts";
import type { PeerStore } from "../peers/store.ts";
import type { ActualDevice, ActualPeer, WantedPeer } from "../wireguard/backend.ts";
import type { ReplaceableBackend } from "../wireguard/replaceableBackend.ts";
import { Calm, isRelevant } from "./calm.ts";
import type { ClientPeers } from "./clientPeers.ts";
import { Crowds, crowdText } from "./crowds.ts";
import { desiredPeers } from "./desired.ts";
import { DeviceReading } from "./deviceReading.ts";
import { type Failure, FailureBook } from "./failures.ts";
import type { InterfaceOptions } from "./interfaceOptions.ts";
import { InterfaceSync } from "./interfaceSync.ts";
import { MendPacer } from "./mendPacer.ts";
import type { Moving } from "./moving.ts";
import { endpointHosts, MtuPolicy } from "./mtuPolicy.ts";
import { NetworkChoice, type NetworkChoiceOptions } from "./networkChoice.ts";
import { failingPeer, PeerSync } from "./peerSync.ts";
import { defaultReconcileSettings, type ReconcileSettings } from "./reconcileSettings.ts";
import type { RefusedNetwork, RoutePolicy } from "./routePolicy.ts";
import { RouteSync, type RouteTable } from "./routes.ts";

export interface ReconcilerOptions extends Pick<NetworkChoiceOptions, "isUsable" | "exitPeer"> {
  readonly clock: Clock;
  readonly log: Log;
  readonly backend: ReplaceableBackend;
  readonly store: PeerStore;
  readonly self: LocalNode;
  readonly paths: PathTable;
  readonly routeTable: RouteTable;
  readonly interface: InterfaceOptions;
  /** At the start; see {@link Reconciler.setRoutePolicy}. */
  readonly routePolicy: RoutePolicy;
  readonly meshNetworks: readonly Cidr[];
  readonly underlay: {
    connectedNetworks(): readonly Cidr[];
    setAcceptedNetworks(networks: readonly Cidr[], refused?: readonly Cidr[]): void;
    onChange(listener: () => void): () => void;
  };
  /**
   * Keeps forwarding on for the networks that this node advertises, and what else of the host follows, such as from those that lead into the
   * interface; throws what could not be done.
   */
  readonly forward: (networks: readonly Cidr[], inside: readonly Cidr[]) => Promise<void>;
  /** More of the host is kept that tells of no change. */
  readonly keeps?: () => boolean;
  readonly settings?: ReconcileSettings;
  /** Peers that are neither to be on the interface nor to have routes, though they are known. */
  readonly keptOut?: (publicKey: PublicKey) => boolean;
  /** Devices on the interface that are no members: {@link onRead} tells nothing of them. */
  readonly clients?: ClientPeers;
  /** Told of every cycle, for the metrics. */
  readonly onReport?: (report: ReconcileReport) => void;
  /** Told what others had done to the interface, in words, once it is mended. */
  readonly onMended?: (found: readonly string[]) => void;
}

export interface ReconcileReport {
  /** Unix time in milliseconds. */
  readonly atMs: number;
  readonly durationMs: number;
  readonly changes: number;
  readonly error: string | null;
}

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #choice: NetworkChoice;
  #settings: ReconcileSettings;
  readonly #failures: FailureBook;
  readonly #peers: PeerSync;
  readonly #routes: RouteSync;
  readonly #pacer: MendPacer;
  readonly #interface: InterfaceSync;
  readonly #mtu: MtuPolicy;
  readonly #crowds = new Crowds();
  readonly #calm: Calm;
  #moving: Moving | null = null;
  readonly #readers = new Set<(peers: readonly ActualPeer[]) => void>();

  readonly #actual = new DeviceReading();
  #lastReport: ReconcileReport | null = null;

  /** The cycle that runs, or ran last: cycles never overlap. */
  #tail: Promise<unknown> = Promise.resolve();
  #requested = false;
  /** When to look next: soon after a change, because the kernel tells nobody that a handshake came. */
  #lookInMs: number;
  #wake: (() => void) | null = null;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#choice = new NetworkChoice(options);
    this.#settings = options.settings ?? defaultReconcileSettings;
    this.#lookInMs = this.#settings.firstLookMs;
    const { clock, log, backend, store, self } = options;
    this.#failures = new FailureBook(clock, this.#settings.backoff, log);
    this.#pacer = new MendPacer(clock);
    this.#calm = new Calm(clock);
    const { control, addresses, remake, mtu, pathTo } = options.interface;
    this.#interface = new InterfaceSync({
      ...{ clock, log, backend, self, control, addresses, remake },
      failures: this.#failures,
      pacer: this.#pacer,
    });
    this.#mtu = new MtuPolicy({ clock, interfaceName: backend.interfaceName, chosen: mtu, pathTo });
    this.#peers = new PeerSync({
      clock,
      log,
      backend,
      failures: this.#failures,
      ownKey: self.snapshot.publicKey,
      known: (publicKey) => store.get(publicKey),
    });
    this.#routes = new RouteSync(options.routeTable, this.#failures, this.#pacer, log);
    backend.onEvent((event) => {
      if (event.type === "failed") this.#interface.engineFailed(event.reason);
      if (event.type === "notice") log.warn({ notice: event.text }, "notice of the interface");
      if (event.type === "foreign-change") log.info({ what: event.what }, "interface changed by others");
      // Every two minutes with each peer: the next look comes soon enough for what is connected anyhow.
      if (event.type === "handshake" && this.#isConnected(event.publicKey)) return;
      this.request();
    });
  }

  /** The body of the task `reconcile`: until it is cancelled. */
  async run(signal: AbortSignal): Promise<void> {
    const { store, self, paths, underlay } = this.#options;
    const unsubscribe = [
      store.subscribe((event) => {
        if (isRelevant(event)) this.request();
      }),
      self.subscribe(() => this.request()),
      paths.subscribe(() => this.request()),
      underlay.onChange(() => {
        this.#mtu.networkChanged();
        this.request();
      }),
    ];
    try {
      while (!signal.aborted) {
        if (this.#requested) this.#lookInMs = this.#settings.firstLookMs;
        this.#requested = false;
        await this.runOnce();
        await this.#waitForWork(signal);
        this.#lookInMs = Math.min(this.#lookInMs * 2, this.#settings.sweepMs);
      }
    } finally {
      for (const end of unsubscribe) end();
    }
  }

  /** From the next cycle on. */
  setRoutePolicy(policy: RoutePolicy): void {
    this.#choice.setPolicy(policy);
    this.#calm.end();
  }

  /** Keepalives in seconds, 0 for none, and the pause between looks; from the next cycle on. */
  set(changed: Pick<Partial<ReconcileSettings>, "keepaliveSeconds" | "sweepMs">): void {
    this.#settings = { ...this.#settings, ...changed };
    this.#calm.end();
  }

  /** What is wanted in addition from the next cycle on; null ends that. */
  setMoving(moving: Moving | null): void {
    this.#moving = moving;
    this.request();
  }

  /** Asks for a cycle soon; many calls in a burst make one. */
  request(): void {
    this.#requested = true;
    this.#calm.end();
    this.#interface.doubt();
    this.#wake?.();
  }

  /** Starts a handshake anew with the next cycle, towards `to` or, when that is null, where the peer is. */
  restartHandshake(publicKey: PublicKey, to: Endpoint | null): void {
    this.#peers.restartHandshake(publicKey, to);
    this.request();
  }

  /** A cycle that starts after this call. What went wrong is in the report. */
  runOnce(): Promise<ReconcileReport> {
    const cycle = this.#tail.then(() => this.#cycle());
    this.#tail = cycle;
    return cycle;
  }

  /** Has `reader` told of the peers each time they are read, so that others need not read them too; returns what ends that. */
  onRead(reader: (peers: readonly ActualPeer[]) => void): () => void {
    this.#readers.add(reader);
    return () => this.#readers.delete(reader);
  }

  /** Like {@link runOnce}, and what fails is tried again whatever its pause: that peer, or all. */
  runNow(publicKey?: PublicKey): Promise<ReconcileReport> {
    this.#calm.end();
    this.#interface.doubt();
    this.#failures.hurry(publicKey === undefined ? undefined : failingPeer(publicKey));
    return this.runOnce();
  }

  /** The peer as the interface showed it last. */
  actual(publicKey: PublicKey): ActualPeer | undefined {
    return this.#actual.get(publicKey);
  }

  #isConnected(publicKey: PublicKey): boolean {
    return isConnected(this.actual(publicKey)?.lastHandshakeMs ?? 0, this.#options.clock.wallMs());
  }

  lastReport(): ReconcileReport | null {
    return this.#lastReport;
  }

  failing(): Failure[] {
    return this.#failures.list();
  }

  /** Networks that peers advertise and that are not routed, with the reason. */
  refusedNetworks(): readonly RefusedNetwork[] {
    return this.#choice.refused;
  }

  /** Peers that have a network which others would take over. */
  replaceable(): ReadonlySet<PublicKey> {
    return this.#choice.replaceable;
  }

  /** Sentences for the operator on what is being worked against, or missing. */
  warnings(): string[] {
    return [...this.#interface.warnings(), ...this.#crowds.waiting.map(crowdText)];
  }

  /** Bytes, of the interface as it was seen last; null while there is none. */
  mtu(): number | null {
    return this.#interface.mtu;
  }

  async #cycle(): Promise<ReconcileReport> {
    const { clock } = this.#options;
    const atMs = clock.wallMs();
    const startMs = clock.monotonicMs();
    let changes = 0;
    let error: string | null = null;
    try {
      const { present, remade, found } = await this.#interface.ensure();
      if (remade) this.#forgetInterface(found);
      if (present) changes = await this.#applyDifference(remade ? [] : [...found]);
      else error = this.#interface.warnings()[0] ?? "the interface is not there";
    } catch (cause) {
      error = messageOf(cause);
      // One that went away in the midst of it is made anew by the next cycle, and no failure of this one.
      if (this.#interface.isLost()) this.request();
      else this.#failures.failed("interface", error);
    }
    this.#lastReport = { atMs, durationMs: clock.monotonicMs() - startMs, changes, error };
    this.#options.onReport?.(this.#lastReport);
    return this.#lastReport;
  }

  #forgetInterface(found: readonly string[]): void {
    this.#options.onMended?.(found);
    this.#peers.interfaceRemade(this.#actual.peers);
    this.#routes.interfaceRemade();
  }

  /** @param found what was mended of the interface already; the rest is added, and all of it told in one line. */
  async #applyDifference(found: string[]): Promise<number> {
    const { backend, underlay, self, log } = this.#options;
    const mendedBefore = found.length;
    try {
      const device = await backend.read();
      this.#noteActual(device);
      if (found.length === 0 && this.#isIdle() && this.#calm.holds(device)) return 0;
      const { wanted, networks } = this.#desired();
      underlay.setAcceptedNetworks(
        networks,
        this.#choice.refused.map(({ network }) => network),
      );
      const mtuChanges = this.#interface.setMtu(this.#mtu.decide(endpointHosts(device, wanted)));
      const settings = this.#interface.mendDevice(device);
      found.push(...settings);
      const peers = await this.#peers.sync(wanted, device);
      found.push(...peers.found);
      // After the peers: a packet that follows a new route finds its peer.
      const routes = this.#routes.sync(networks, this.#options.interface.addresses());
      found.push(...routes.found);
      await this.#forward(self.snapshot.networks, networks);
      this.#failures.succeeded("interface");
      const changes = mendedBefore + mtuChanges + settings.length + peers.changes + routes.changes;
      if (changes === 0 && !this.#requested) this.#calm.begin(device);
      return changes;
    } finally {
      if (found.length > 0) {
        log.warn({ found }, "foreign change mended");
        this.#options.onMended?.(found);
      }
    }
  }

  /** Nothing waits for its time, and no setting of the kernel is to be kept that tells of no change. */
  #isIdle(): boolean {
    const { self, keeps } = this.#options;
    if (this.#moving?.settled === false) return false;
    const waits = this.#dates().length > 0 || this.#crowds.waiting.length > 0;
    return !waits && this.#failures.isEmpty && self.snapshot.networks.length === 0 && keeps?.() !== true;
  }

  #desired(): { wanted: WantedPeer[]; networks: readonly Cidr[] } {
    const { store, self, paths, clock, clients, keptOut } = this.#options;
    const nowMs = clock.wallMs();
    const own = self.snapshot;
    const known = this.#moving?.join(store.list()) ?? store.list();
    const members = clients?.others(known) ?? known;
    const peers = members.filter(({ publicKey }) => keptOut?.(publicKey) !== true);
    const accepted = this.#choice.decide(peers, own, nowMs);
    const { keepaliveSeconds } = this.#settings;
    const wanted = desiredPeers({
      ...{ peers, own, keepaliveSeconds, nowMs },
      accepted: accepted.byPeer,
      pathTo: (publicKey) => paths.get(publicKey),
      crowds: this.#crowds,
      moving: this.#moving,
    });
    if (clients === undefined) return { wanted, networks: accepted.networks };
    wanted.push(...clients.wanted(own));
    return { wanted, networks: [...accepted.networks, ...clients.networks(own)] };
  }

  #noteActual(device: ActualDevice): void {
    const { store, clients } = this.#options;
    this.#actual.note(device.peers);
    const members = clients?.others(device.peers) ?? device.peers;
    for (const peer of members) store.noteHandshake(peer.publicKey, peer.lastHandshakeMs);
    for (const reader of this.#readers) reader(members);
  }

  async #forward(networks: readonly Cidr[], inside: readonly Cidr[]): Promise<void> {
    try {
      await this.#options.forward(networks, inside);
      this.#failures.succeeded("forwarding");
    } catch (error) {
      this.#failures.failed("forwarding", messageOf(error));
    }
  }

  /** When attempts are due, monotonic. */
  #dates(): number[] {
    const failures = [this.#failures.nextRetryAtMs(), this.#pacer.nextAtMs()];
    return [this.#peers.dueAtMs, this.#mtu.dueAtMs, ...failures].filter((atMs) => atMs !== null);
  }

  /** Until something was asked for (plus the time to gather a burst), an attempt is due, or it is time to look. */
  async #waitForWork(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const due = this.#dates();
    const { sweepMs } = this.#settings;
    const lookInMs = this.#lookInMs < sweepMs ? this.#lookInMs : nextBeatMs(nowMs, sweepMs) - nowMs;
    const delayMs = Math.max(0, Math.min(lookInMs, ...due.map((atMs) => atMs - nowMs)));
    await this.#pause(delayMs, signal, () => this.#requested);
    if (this.#requested) await this.#pause(this.#settings.coalesceMs, signal, () => false);
  }

  /** Resolves after the delay, on abort, or as soon as `enough` holds when something is asked for. */
  #pause(delayMs: number, signal: AbortSignal, enough: () => boolean): Promise<void> {
    if (signal.aborted || enough()) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        cancel();
        signal.removeEventListener("abort", finish);
        this.#wake = null;
        resolve();
      };
      const cancel = this.#options.clock.after(delayMs, finish);
      signal.addEventListener("abort", finish, { once: true });
      this.#wake = () => {
        if (enough()) finish();
      };
    });
  }
}
