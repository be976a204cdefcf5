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
import type { ActualDevice, ActualPeer, Backend, PeerChange, WantedPeer } from "../wireguard/backend.ts";
import { isConnected } from "./connected.ts";
import { desiredPeers } from "./desired.ts";
import { difference, type ForeignChange } from "./difference.ts";
import { type Backoff, type Failure, FailureBook } from "./failures.ts";
import { type HandshakePeer, type HandshakeState, stepHandshakes } from "./handshake.ts";
import { acceptNetworks, type RefusedNetwork, type RoutePolicy } from "./routePolicy.ts";
import { RouteSync, type RouteTable } from "./routes.ts";

export interface ReconcileSettings {
  /** How often the interface is looked at when nothing happens. */
  readonly sweepMs: number;
  /** How long changes are gathered before they are applied as one batch. */
  readonly coalesceMs: number;
  readonly keepaliveSeconds: number;
  /** Pause after a failure of one peer or route; doubles. */
  readonly backoff: Backoff;
}

export const defaultReconcileSettings: ReconcileSettings = {
  sweepMs: 5_000,
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

const peerObject = (publicKey: PublicKey): string => `peer ${publicKey}`;

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #settings: ReconcileSettings;
  readonly #failures: FailureBook;
  readonly #routes: RouteSync;
  readonly #listenPort: number;

  /** What was last written with success, by peer. */
  #applied: ReadonlyMap<PublicKey, WantedPeer> = new Map();
  #actual: ReadonlyMap<PublicKey, ActualPeer> = new Map();
  #handshakes: HandshakeState = new Map();
  #handshakeDueMs: number | null = null;
  #refused: readonly RefusedNetwork[] = [];
  #lastReport: ReconcileReport | null = null;
  #deviceFailure: string | null = null;

  /** The cycle that runs, or ran last: cycles never overlap. */
  #tail: Promise<unknown> = Promise.resolve();
  #requested = false;
  #wake: (() => void) | null = null;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#settings = options.settings ?? defaultReconcileSettings;
    this.#failures = new FailureBook(options.clock, this.#settings.backoff);
    this.#routes = new RouteSync(options.routeTable, this.#failures, options.log);
    this.#listenPort = options.backend.listenPort();
    options.backend.onEvent((event) => {
      if (event.type === "failed") this.#deviceFailure = event.reason;
      if (event.type === "foreign-change")
        options.log.info({ what: event.what }, "interface changed by others");
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
        this.#requested = false;
        await this.runOnce();
        await this.#waitForWork(signal);
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
      this.#succeeded("interface");
    } catch (cause) {
      this.#checkInterface();
      error = messageOf(cause);
      this.#failed("interface", error);
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
    const peerChanges = await this.#applyPeers(wanted, device);
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

  async #applyPeers(wanted: readonly WantedPeer[], device: ActualDevice): Promise<number> {
    const { backend } = this.#options;
    const { changes, foreign } = difference(wanted, device.peers, this.#applied);
    const batch = this.#withRetriggers(changes, wanted).filter(
      (change) => !this.#failures.isPaused(peerObject(keyOf(change))),
    );
    const failures = batch.length === 0 ? [] : await backend.apply(batch);

    const failed = new Set(failures.map((failure) => failure.publicKey));
    for (const { publicKey, reason } of failures) this.#failed(peerObject(publicKey), reason);
    for (const publicKey of batch.map(keyOf))
      if (!failed.has(publicKey)) this.#succeeded(peerObject(publicKey));
    this.#rememberApplied(wanted);
    this.#reportForeign(foreign.filter(({ publicKey }) => !this.#isFailing(publicKey)));
    if (batch.length > 0) this.#options.log.debug(countByKind(batch), "peers reconciled");
    return batch.length - failures.length;
  }

  /** Adds to the changes those peers whose handshake is to be started again. */
  #withRetriggers(changes: readonly PeerChange[], wanted: readonly WantedPeer[]): PeerChange[] {
    const { clock, self } = this.#options;
    const nowMs = clock.wallMs();
    const wantedByKey = new Map(wanted.map((peer) => [peer.publicKey, peer]));
    const step = stepHandshakes(this.#handshakes, this.#handshakePeers(wanted), self.snapshot.publicKey, {
      wallMs: nowMs,
      monotonicMs: clock.monotonicMs(),
    });
    this.#handshakes = step.state;
    this.#handshakeDueMs = step.wakeAtMs;

    const retrigger = new Set(step.retrigger);
    const batch = changes.map((change): PeerChange => {
      if (change.kind === "add" || change.kind === "remove") return change;
      const peer = wantedByKey.get(keyOf(change));
      // An initiation to the old endpoint may be under way, and WireGuard would wait 5 s before it tries the new one.
      const movedUnconnected =
        change.kind === "update" &&
        change.endpoint !== undefined &&
        !this.#hasSession(change.publicKey, nowMs);
      const again = peer !== undefined && (retrigger.has(peer.publicKey) || movedUnconnected);
      return again ? this.#retriggerOf(peer) : change;
    });
    const changed = new Set(changes.map(keyOf));
    for (const publicKey of step.retrigger) {
      const peer = wantedByKey.get(publicKey);
      if (peer !== undefined && !changed.has(publicKey)) batch.push(this.#retriggerOf(peer));
    }
    return batch;
  }

  #retriggerOf(peer: WantedPeer): PeerChange {
    const endpoint = peer.endpoint ?? this.#actual.get(peer.publicKey)?.endpoint ?? null;
    return { kind: "retrigger", peer: { ...peer, endpoint } };
  }

  #hasSession(publicKey: PublicKey, nowMs: number): boolean {
    return isConnected(this.#actual.get(publicKey)?.lastHandshakeMs ?? 0, nowMs);
  }

  #handshakePeers(wanted: readonly WantedPeer[]): HandshakePeer[] {
    return wanted.flatMap(({ publicKey, endpoint }) => {
      const peer = this.#options.store.get(publicKey);
      if (peer === undefined) return [];
      const actual = this.#actual.get(publicKey);
      const { knowsUs, instance, lastSeenMs } = peer;
      return {
        publicKey,
        hasEndpoint: endpoint !== null || (actual?.endpoint ?? null) !== null,
        knowsUs,
        instance,
        lastSeenMs,
        // Of the device, not of the store: a retriggered or re-added peer has no session whatever was once seen.
        lastHandshakeMs: actual?.lastHandshakeMs ?? 0,
      };
    });
  }

  /** What is on the interface now, as we believe: peers whose change failed keep what they had. */
  #rememberApplied(wanted: readonly WantedPeer[]): void {
    const applied = new Map<PublicKey, WantedPeer>();
    for (const peer of wanted) {
      const current = this.#isFailing(peer.publicKey) ? this.#applied.get(peer.publicKey) : peer;
      if (current !== undefined) applied.set(peer.publicKey, current);
    }
    this.#applied = applied;
    this.#failures.retain("peer ", (object) => this.#isKnownObject(object));
  }

  #isKnownObject(object: string): boolean {
    const publicKey = object.slice("peer ".length) as PublicKey;
    return this.#actual.has(publicKey) || this.#options.store.get(publicKey) !== undefined;
  }

  #isFailing(publicKey: PublicKey): boolean {
    return this.#failures.isFailing(peerObject(publicKey));
  }

  /** Sets our key and port again when somebody changed them. */
  #mendDevice(device: ActualDevice): number {
    const foreign: string[] = [];
    if (device.publicKey !== this.#options.self.snapshot.publicKey) foreign.push("private key");
    if (device.listenPort !== this.#listenPort) foreign.push("listen port");
    if (foreign.length === 0) return 0;
    this.#options.backend.configure(this.#listenPort);
    this.#options.log.warn({ changes: foreign }, "foreign change mended");
    return 1;
  }

  #reportForeign(foreign: readonly ForeignChange[]): void {
    if (foreign.length === 0) return;
    const changes = foreign.map(({ publicKey, what }) => `${what} ${publicKey}`);
    this.#options.log.warn({ changes }, "foreign change mended");
  }

  async #forward(networks: readonly Cidr[]): Promise<void> {
    try {
      await this.#options.forward(networks);
      this.#succeeded("forwarding");
    } catch (error) {
      this.#failed("forwarding", messageOf(error));
    }
  }

  #failed(object: string, reason: string): void {
    if (this.#failures.failed(object, reason)) this.#options.log.warn({ object, reason }, "reconcile failed");
  }

  #succeeded(object: string): void {
    if (this.#failures.succeeded(object)) this.#options.log.info({ object }, "reconcile succeeded again");
  }

  /** Throws when the device cannot be mended by another cycle: somebody took it away, or its engine died. */
  #checkInterface(): void {
    const { interfaceName, interfaceIndex } = this.#options.backend;
    if (this.#options.interfaceIndex() !== interfaceIndex) {
      throw new WgmeshError(
        "ERR_SYSTEM",
        `interface ${interfaceName} was deleted or replaced by another program`,
        {
          hint: "start wgmeshd again, and keep other programs from managing the interface",
        },
      );
    }
    if (this.#deviceFailure !== null) {
      throw new WgmeshError("ERR_SYSTEM", `interface ${interfaceName} failed: ${this.#deviceFailure}`);
    }
  }

  /** Until something was asked for (plus the time to gather a burst), an attempt is due, or the sweep. */
  async #waitForWork(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const due = [this.#handshakeDueMs, this.#failures.nextRetryAtMs()].filter((atMs) => atMs !== null);
    const delayMs = Math.max(0, Math.min(this.#settings.sweepMs, ...due.map((atMs) => atMs - nowMs)));
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

const keyOf = (change: PeerChange): PublicKey =>
  change.kind === "add" || change.kind === "retrigger" ? change.peer.publicKey : change.publicKey;

function countByKind(batch: readonly PeerChange[]): Record<PeerChange["kind"], number> {
  const counts = { add: 0, update: 0, retrigger: 0, remove: 0 };
  for (const change of batch) counts[change.kind] += 1;
  return counts;
}
