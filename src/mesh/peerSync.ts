/**
 * Keeps the peers of the interface equal to what is wanted (row E2, last third).
 */
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { Endpoint, PublicKey } from "../core/types.ts";
import { isConnected } from "../peers/connected.ts";
import type { Peer } from "../peers/peer.ts";
import type { ActualDevice, ActualPeer, Backend, PeerChange, WantedPeer } from "../wireguard/backend.ts";
import { difference, type ForeignChange } from "./difference.ts";
import type { FailureBook } from "./failures.ts";
import { type HandshakePeer, type HandshakeState, type Now, stepHandshakes } from "./handshake.ts";

const PREFIX = "peer ";
/** Its name among what fails. */
export const failingPeer = (publicKey: PublicKey): string => `${PREFIX}${publicKey}`;

export interface PeerSyncOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly backend: Backend;
  readonly failures: FailureBook;
  readonly ownKey: PublicKey;
  /** What the store knows of a peer. */
  readonly known: (publicKey: PublicKey) => Peer | undefined;
}

export interface SyncOutcome {
  /** How many differences were applied. */
  readonly changes: number;
  /** What others had done and was mended, in words. */
  readonly found: readonly string[];
}

/** Remembers what was written, since the difference to it tells our own changes from those of others. */
export class PeerSync {
  readonly #options: PeerSyncOptions;
  /** What was last written with success, by peer. */
  #applied: ReadonlyMap<PublicKey, WantedPeer> = new Map();
  #handshakes: HandshakeState = new Map();
  #dueAtMs: number | null = null;
  /** Handshakes that others want anew, and where to. */
  readonly #restarts = new Map<PublicKey, Endpoint | null>();
  /** Where live peers were last sent to, for an interface that was made anew. */
  #roamed: ReadonlyMap<PublicKey, Endpoint> = new Map();

  constructor(options: PeerSyncOptions) {
    this.#options = options;
  }

  /** Monotonic time at which a handshake is to be tried again, or null. */
  get dueAtMs(): number | null {
    return this.#dueAtMs;
  }

  /** With the next batch: to `to` or, when that is null, to where the peer is. */
  restartHandshake(publicKey: PublicKey, to: Endpoint | null): void {
    this.#restarts.set(publicKey, to);
  }

  /**
   * The interface is a new one, without peers: nothing was written to it yet. `before` is what the old one showed last: a
   * peer that roamed is best reached where its packets came from.
   */
  interfaceRemade(before: readonly ActualPeer[]): void {
    const nowMs = this.#options.clock.wallMs();
    const live = before.filter((peer) => isConnected(peer.lastHandshakeMs, nowMs));
    this.#roamed = new Map(
      live.flatMap(({ publicKey, endpoint }) => (endpoint === null ? [] : [[publicKey, endpoint]])),
    );
    this.#applied = new Map();
  }

  /** One batch; a peer that fails is left out for a while. */
  async sync(wanted: readonly WantedPeer[], device: ActualDevice): Promise<SyncOutcome> {
    const { backend, failures, log } = this.#options;
    const { changes, foreign } = difference(wanted, device.peers, this.#applied);
    const actual = new Map(device.peers.map((peer) => [peer.publicKey, peer]));
    const batch = this.#withRetriggers(changes, wanted, actual)
      .filter((change) => !failures.isPaused(failingPeer(keyOf(change))))
      .map((change) => this.#withRoamed(change));
    this.#roamed = new Map();
    const refused = batch.length === 0 ? [] : await backend.apply(batch);

    const refusedKeys = new Set(refused.map(({ publicKey }) => publicKey));
    for (const { publicKey, reason } of refused) failures.failed(failingPeer(publicKey), reason);
    for (const publicKey of batch.map(keyOf)) {
      if (!refusedKeys.has(publicKey)) failures.succeeded(failingPeer(publicKey));
    }
    this.#rememberApplied(wanted, actual);
    if (batch.length > 0) log.debug(countByKind(batch), "peers reconciled");
    return { changes: batch.length - refused.length, found: this.#mended(foreign) };
  }

  #withRoamed(change: PeerChange): PeerChange {
    if (change.kind !== "add") return change;
    const endpoint = this.#roamed.get(change.peer.publicKey) ?? change.peer.endpoint;
    return { ...change, peer: { ...change.peer, endpoint } };
  }

  /** Adds to the changes those peers whose handshake is to be started again. */
  #withRetriggers(
    changes: readonly PeerChange[],
    wanted: readonly WantedPeer[],
    actual: ReadonlyMap<PublicKey, ActualPeer>,
  ): PeerChange[] {
    const now: Now = { wallMs: this.#options.clock.wallMs(), monotonicMs: this.#options.clock.monotonicMs() };
    const watched = wanted.flatMap((peer) => this.#watched(peer, actual.get(peer.publicKey)));
    const step = stepHandshakes(this.#handshakes, watched, this.#options.ownKey, now);
    this.#handshakes = step.state;
    this.#dueAtMs = step.wakeAtMs;

    const restarts = new Map(this.#restarts);
    this.#restarts.clear();
    const again = new Set([...step.retrigger, ...restarts.keys()]);
    for (const change of changes) {
      // An initiation to the old endpoint may be under way, and WireGuard would wait 5 s before it tries the new one.
      const moved = change.kind === "update" && change.endpoint !== undefined;
      if (moved && !isConnected(actual.get(change.publicKey)?.lastHandshakeMs ?? 0, now.wallMs)) {
        again.add(change.publicKey);
      }
    }
    const batch = changes.filter((change) => change.kind !== "update" || !again.has(change.publicKey));
    const added = new Set(batch.map(keyOf));
    for (const peer of wanted) {
      if (!again.has(peer.publicKey) || added.has(peer.publicKey)) continue;
      const known = peer.endpoint ?? actual.get(peer.publicKey)?.endpoint ?? null;
      const endpoint = restarts.get(peer.publicKey) ?? known;
      batch.push({ kind: "retrigger", peer: { ...peer, endpoint } });
    }
    return batch;
  }

  #watched({ publicKey, endpoint }: WantedPeer, actual: ActualPeer | undefined): HandshakePeer[] {
    const peer = this.#options.known(publicKey);
    if (peer === undefined) return [];
    const { knowsUs, instance, lastSeenMs } = peer;
    return [
      {
        publicKey,
        hasEndpoint: endpoint !== null || (actual?.endpoint ?? null) !== null,
        knowsUs,
        instance,
        lastSeenMs,
        // Of the device, not of the store: a peer that was added again has no session, whatever was once seen.
        lastHandshakeMs: actual?.lastHandshakeMs ?? 0,
      },
    ];
  }

  /** Peers whose change failed are believed to be what they were. */
  #rememberApplied(wanted: readonly WantedPeer[], actual: ReadonlyMap<PublicKey, ActualPeer>): void {
    const { failures } = this.#options;
    const applied = new Map<PublicKey, WantedPeer>();
    for (const peer of wanted) {
      const current = this.#isFailing(peer.publicKey) ? this.#applied.get(peer.publicKey) : peer;
      if (current !== undefined) applied.set(peer.publicKey, current);
    }
    this.#applied = applied;
    failures.retain(PREFIX, (object) => {
      const publicKey = object.slice(PREFIX.length) as PublicKey;
      return (
        applied.has(publicKey) || actual.has(publicKey) || wanted.some((peer) => peer.publicKey === publicKey)
      );
    });
  }

  #mended(foreign: readonly ForeignChange[]): string[] {
    return foreign
      .filter(({ publicKey }) => !this.#isFailing(publicKey))
      .map(({ publicKey, what }) => `${what} ${publicKey}`);
  }

  #isFailing(publicKey: PublicKey): boolean {
    const { failures } = this.#options;
    return !failures.isEmpty && failures.isFailing(failingPeer(publicKey));
  }
}

const keyOf = (change: PeerChange): PublicKey =>
  change.kind === "add" || change.kind === "retrigger" ? change.peer.publicKey : change.publicKey;

function countByKind(batch: readonly PeerChange[]): Record<PeerChange["kind"], number> {
  const counts = { add: 0, update: 0, retrigger: 0, remove: 0 };
  for (const change of batch) counts[change.kind] += 1;
  return counts;
}
