/**
 * The single owner of the interface's peers and of the routes into it while the daemon runs (row E2).
 *
 * It reads the interface, compares it with what the store asks for, and applies the difference in one batch: after every
 * change (a burst of them is one batch) and every 5 s as a safety net. Nothing else writes to the device.
 */
import type { Clock } from "../core/clock.ts";
import { messageOf, WgmeshError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Cidr, PublicKey } from "../core/types.ts";
import type { LocalNode } from "../peers/localNode.ts";
import type { Peer, PeerEvent } from "../peers/peer.ts";
import type { PeerStore } from "../peers/store.ts";
import type { ActualDevice, ActualPeer, Backend } from "../wireguard/backend.ts";
import { desiredPeers } from "./desired.ts";
import { type Backoff, type Failure, FailureBook } from "./failures.ts";
import { PeerSync } from "./peerSync.ts";
import { acceptNetworks, type RefusedNetwork, type RoutePolicy } from "./routePolicy.ts";
import { RouteSync, type RouteTable } from "./routes.ts";

export interface ReconcileSettings {
  /** How often the interface is looked at when nothing happens. */
  readonly sweepMs: number;
  /** The first look after a change; each further one takes twice as long, up to `sweepMs`. */
  readonly firstLookMs: number;
  /** How long changes are gathered before they are applied as one batch. */
  readonly coalesceMs: number;
  readonly keepaliveSeconds: number;
  /** Pause after a failure of one peer or route; doubles. */
  readonly backoff: Backoff;
}

export const defaultReconcileSettings: ReconcileSettings = {
  sweepMs: 5_000,
  firstLookMs: 100,
  coalesceMs: 5,
  keepaliveSeconds: 25,
  backoff: { firstMs: 1_000, maxMs: 60_000 },
};

export interface ReconcilerOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly backend: Backend;
  readonly store: PeerStore;
  readonly self: LocalNode;
  readonly routeTable: RouteTable;
  readonly routePolicy: RoutePolicy;
  readonly meshNetworks: readonly Cidr[];
  readonly underlay: {
    connectedNetworks(): readonly Cidr[];
    setAcceptedNetworks(networks: readonly Cidr[]): void;
    onChange(listener: () => void): () => void;
  };
  /** Keeps forwarding on for the networks that this node advertises; throws what could not be done. */
  readonly forward: (networks: readonly Cidr[]) => Promise<void>;
  /** The index of the interface, or null when it is gone. */
  readonly interfaceIndex: () => number | null;
  readonly settings?: ReconcileSettings;
}

export interface ReconcileReport {
  /** Unix time in milliseconds. */
  readonly atMs: number;
  readonly durationMs: number;
  readonly changes: number;
  readonly error: string | null;
}

/** A change of these makes the interface differ from what is wanted, or starts a handshake's clock. */
const RELEVANT: readonly (keyof Peer)[] = [
  "meshIp",
  "meshIpv6",
  "endpoint",
  "networks",
  "knowsUs",
  "instance",
];

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #settings: ReconcileSettings;
  readonly #failures: FailureBook;
  readonly #peers: PeerSync;
  readonly #routes: RouteSync;
  readonly #listenPort: number;

  #actual: ReadonlyMap<PublicKey, ActualPeer> = new Map();
  #refused: readonly RefusedNetwork[] = [];
  #lastReport: ReconcileReport | null = null;
  #deviceFailure: string | null = null;

  /** The cycle that runs, or ran last: cycles never overlap. */
  #tail: Promise<unknown> = Promise.resolve();
  #requested = false;
  /** When to look next: soon after a change, because the kernel tells nobody that a handshake came. */
  #lookInMs: number;
  #wake: (() => void) | null = null;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#settings = options.settings ?? defaultReconcileSettings;
    this.#lookInMs = this.#settings.firstLookMs;
    const { clock, log, backend, store } = options;
    this.#failures = new FailureBook(clock, this.#settings.backoff, log);
    this.#peers = new PeerSync({
      clock,
      log,
      backend,
      failures: this.#failures,
      ownKey: options.self.snapshot.publicKey,
      known: (publicKey) => store.get(publicKey),
    });
    this.#routes = new RouteSync(options.routeTable, this.#failures, log);
    this.#listenPort = options.backend.listenPort();
    options.backend.onEvent((event) => {
      if (event.type === "failed") this.#deviceFailure = event.reason;
      if (event.type === "notice") log.warn({ notice: event.text }, "notice of the interface");
      if (event.type === "foreign-change") log.info({ what: event.what }, "interface changed by others");
      this.request();
    });
  }

  /** The body of the task `reconcile`. Rejects when the interface is lost. */
  async run(signal: AbortSignal): Promise<void> {
    const { store, self, underlay } = this.#options;
    const unsubscribe = [
      store.subscribe((event) => {
        if (isRelevant(event)) this.request();
      }),
      self.subscribe(() => this.request()),
      underlay.onChange(() => this.request()),
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

  /** Asks for a cycle soon; many calls in a burst make one. */
  request(): void {
    this.#requested = true;
    this.#wake?.();
  }

  /** A whole cycle that starts after this call. Rejects only when the interface is lost; the rest is in the report. */
  runOnce(): Promise<ReconcileReport> {
    const cycle = this.#tail.then(
      () => this.#cycle(),
      () => this.#cycle(),
    );
    this.#tail = cycle;
    return cycle;
  }

  /** The peer as the interface showed it last. */
  actual(publicKey: PublicKey): ActualPeer | undefined {
    return this.#actual.get(publicKey);
  }

  lastReport(): ReconcileReport | null {
    return this.#lastReport;
  }

  failing(): Failure[] {
    return this.#failures.list();
  }

  /** Networks that peers advertise and that are not routed, with the reason. */
  refusedNetworks(): readonly RefusedNetwork[] {
    return this.#refused;
  }

  async #cycle(): Promise<ReconcileReport> {
    const { clock } = this.#options;
    const atMs = clock.wallMs();
    const startMs = clock.monotonicMs();
    this.#checkInterface();
    let changes = 0;
    let error: string | null = null;
    try {
      changes = await this.#applyDifference();
      this.#failures.succeeded("interface");
    } catch (cause) {
      this.#checkInterface();
      error = messageOf(cause);
      this.#failures.failed("interface", error);
    }
    this.#lastReport = { atMs, durationMs: clock.monotonicMs() - startMs, changes, error };
    return this.#lastReport;
  }

  async #applyDifference(): Promise<number> {
    const { backend, store, self, clock, underlay } = this.#options;
    const device = await backend.read();
    this.#noteActual(device);
    const nowMs = clock.wallMs();
    const node = self.snapshot;
    const peers = store.list();
    const accepted = acceptNetworks({
      peers,
      policy: this.#options.routePolicy,
      meshNetworks: this.#options.meshNetworks,
      ownNetworks: node.networks,
      underlayNetworks: peers.some((peer) => peer.networks.length > 0) ? underlay.connectedNetworks() : [],
      ipv6: node.meshIpv6 !== null,
      nowMs,
    });
    this.#refused = accepted.refused;
    underlay.setAcceptedNetworks(accepted.networks);

    const wanted = desiredPeers({
      peers,
      own: node,
      accepted: accepted.byPeer,
      keepaliveSeconds: this.#settings.keepaliveSeconds,
      nowMs,
    });
    const deviceMended = this.#mendDevice(device);
    const peerChanges = await this.#peers.sync(wanted, device);
    // After the peers: a packet that follows a new route finds its peer.
    const routeChanges = this.#routes.sync(accepted.networks);
    await this.#forward(node.networks);
    return deviceMended + peerChanges + routeChanges;
  }

  #noteActual(device: ActualDevice): void {
    this.#actual = new Map(device.peers.map((peer) => [peer.publicKey, peer]));
    const { store } = this.#options;
    for (const peer of device.peers) store.noteHandshake(peer.publicKey, peer.lastHandshakeMs);
  }

  /** Sets our key and port again when somebody changed them. */
  #mendDevice(device: ActualDevice): number {
    const foreign: string[] = [];
    if (device.publicKey !== this.#options.self.snapshot.publicKey) foreign.push("private key");
    if (device.listenPort !== this.#listenPort) foreign.push("listen port");
    if (foreign.length === 0) return 0;
    try {
      this.#options.backend.configure(this.#listenPort);
    } catch (error) {
      this.#failures.failed("listen port", messageOf(error));
      return 0;
    }
    this.#failures.succeeded("listen port");
    this.#options.log.warn({ changes: foreign }, "foreign change mended");
    return 1;
  }

  async #forward(networks: readonly Cidr[]): Promise<void> {
    try {
      await this.#options.forward(networks);
      this.#failures.succeeded("forwarding");
    } catch (error) {
      this.#failures.failed("forwarding", messageOf(error));
    }
  }

  /** Throws when the device cannot be mended by another cycle: somebody took it away, or its engine died. */
  #checkInterface(): void {
    const { interfaceName, interfaceIndex } = this.#options.backend;
    if (this.#options.interfaceIndex() !== interfaceIndex) {
      throw new WgmeshError(
        "ERR_SYSTEM",
        `interface ${interfaceName} was deleted or replaced by another program`,
        { hint: "start wgmeshd again, and keep other programs from managing the interface" },
      );
    }
    if (this.#deviceFailure !== null) {
      throw new WgmeshError("ERR_SYSTEM", `interface ${interfaceName} failed: ${this.#deviceFailure}`);
    }
  }

  /** Until something was asked for (plus the time to gather a burst), an attempt is due, or it is time to look. */
  async #waitForWork(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const due = [this.#peers.dueAtMs, this.#failures.nextRetryAtMs()].filter((atMs) => atMs !== null);
    const delayMs = Math.max(0, Math.min(this.#lookInMs, ...due.map((atMs) => atMs - nowMs)));
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

function isRelevant(event: PeerEvent): boolean {
  return event.type !== "updated" || RELEVANT.some((member) => event.changed.has(member));
}
