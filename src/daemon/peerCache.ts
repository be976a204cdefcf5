/**
 * The file with the peers of the last run (row E6): `<state-dir>/<iface>-peers.json`.
 */
import { type Clock, sleep } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import { readSteeringFile, writeFileAtomic } from "../core/files.ts";
import type { Log } from "../core/log.ts";
import type { PublicKey } from "../core/types.ts";
import type { TroubleRegistry } from "../observe/troubles.ts";
import { decodePeerCache, encodePeerCache, lastHeardMs, MAX_AGE_MS, MAX_LENGTH } from "../peers/cacheFile.ts";
import type { Peer, RemovalReason, Sighting } from "../peers/peer.ts";
import type { PeerStore } from "../peers/store.ts";

export interface CachedMesh {
  /** The network id of the mesh this node is in. */
  readonly networkId: string;
  /** This node itself completed the move from the mesh before (row E7): who is of that one alone is out, and not to be spoken to. */
  readonly isMoved: boolean;
}

/**
 * Rejects when the file cannot be read or trusted; one that is damaged gives what can be read, and a line in the log. The peers of another
 * mesh are places to ask and nothing else: a node that was away while its mesh moved may have no other lead back.
 */
export async function loadPeerCache(
  path: string,
  store: PeerStore,
  { networkId, isMoved }: CachedMesh,
  nowMs: number,
  log: Log,
): Promise<void> {
  const text = await readSteeringFile(path, { maxBytes: MAX_LENGTH });
  if (text === null) return;
  const { sightings, mesh, problem } = decodePeerCache(text, nowMs);
  if (problem !== null) log.warn({ path, reason: problem }, "peer cache damaged");
  const isOfAnother = mesh !== "" && mesh !== networkId;
  if (isOfAnother) log.info({ path }, "peer cache of another mesh");
  if (isOfAnother && isMoved) return;
  for (const sighting of sightings) store.observe(isOfAnother ? placeOf(sighting) : sighting);
  log.info({ peers: store.size }, "peers of the last run restored");
}

/** Without a time it is not written to the file again, and without addresses nobody is told of it. */
function placeOf({ publicKey, method, endpoint }: Sighting): Sighting {
  return { publicKey, method, ...(endpoint === undefined ? {} : { endpoint }) };
}

interface CacheFile {
  readonly path: string;
  /** The mesh at each save, since that may change. */
  readonly mesh: { readonly networkId: string };
  readonly clock: Clock;
}

/**
 * Whom the file is to have: the peers of the store, and for a day those that it gave up because nobody heard them. After an outage of
 * an hour the file may be all that leads back to them. Who said goodbye, or has not moved with us to a new secret, is forgotten.
 */
export class RememberedPeers {
  readonly #store: PeerStore;
  readonly #file: CacheFile;
  readonly #lost = new Map<PublicKey, Peer>();
  #writing: Promise<void> = Promise.resolve();

  /** Remembers from now on, for the life of the store. */
  constructor(store: PeerStore, file: CacheFile) {
    this.#store = store;
    this.#file = file;
    store.subscribe((event) => {
      const { publicKey } = event.peer;
      this.#lost.delete(publicKey);
      if (event.type !== "removed" || !MISSED.has(event.reason)) return;
      this.#lost.set(publicKey, event.peer);
      const [oldest] = this.#lost.keys();
      if (this.#lost.size > store.maxPeers && oldest !== undefined) this.#lost.delete(oldest);
    });
  }

  /** Those that are not in the store count no more, on the disk neither. Rejects with ERR_STATE_WRITE. */
  forgetLost(): Promise<void> {
    this.#lost.clear();
    return this.save();
  }

  /** One after another, so that an older list never replaces a newer one. Rejects with ERR_STATE_WRITE. */
  save(): Promise<void> {
    const { path, mesh, clock } = this.#file;
    const saved = this.#writing.then(() => {
      const nowMs = clock.wallMs();
      return writeFileAtomic(path, encodePeerCache(this.list(nowMs), nowMs, mesh.networkId), 0o600);
    });
    this.#writing = saved.catch(() => {});
    return saved;
  }

  list(nowMs: number): Peer[] {
    for (const [publicKey, peer] of this.#lost) {
      if (nowMs - lastHeardMs(peer) > MAX_AGE_MS) this.#lost.delete(publicKey);
    }
    return [...this.#store.list(), ...this.#lost.values()];
  }
}

export interface PeerCacheKeeping {
  readonly clock: Clock;
  readonly troubles: TroubleRegistry;
  readonly store: PeerStore;
  readonly peers: RememberedPeers;
  readonly everyMs: number;
}

const MISSED: ReadonlySet<RemovalReason> = new Set(["expired", "evicted"]);

const RETRY_MS = 10_000;
/** News of a while are saved together. */
const GATHER_MS = 500;
/** Between two saves for the sake of news, for each peer in the file: a large mesh has news all the time. */
const GAP_MS_PER_PEER = 50;
const LEAST_GAP_MS = 2_000;
/** What the file has; that a tunnel works is what makes a peer worth remembering. */
const TOLD: readonly (keyof Peer)[] = ["endpoint", "meshIp", "meshIpv6", "proven", "lastHandshakeMs"];

/**
 * The body of a task: saves every so often, moments after news, since a process that is killed saves nothing, and as soon as a folder
 * that could not be written can be again. That it cannot is a trouble, and no reason to stop.
 */
export async function keepPeerCache(keeping: PeerCacheKeeping, signal: AbortSignal): Promise<void> {
  const { clock, troubles, store, peers, everyMs } = keeping;
  let wake = new AbortController();
  let news = store.size > 0;
  const unsubscribe = [
    troubles.subscribe(({ id }, standing) => {
      if (id === "state-directory" && !standing) wake.abort();
    }),
    store.subscribe((event) => {
      if (event.type === "updated" && !TOLD.some((member) => event.changed.has(member))) return;
      news = true;
      wake.abort();
    }),
  ];
  try {
    for (let pauseMs = everyMs; ; ) {
      if (!news) await sleep(clock, pauseMs, AbortSignal.any([signal, wake.signal])).catch(() => {});
      if (news) await sleep(clock, GATHER_MS, signal);
      signal.throwIfAborted();
      wake = new AbortController();
      news = false;
      pauseMs = (await trySave()) ? everyMs : Math.min(RETRY_MS, everyMs);
      await sleep(clock, Math.min(pauseMs, Math.max(LEAST_GAP_MS, store.size * GAP_MS_PER_PEER)), signal);
    }
  } finally {
    for (const end of unsubscribe) end();
  }

  async function trySave(): Promise<boolean> {
    try {
      await peers.save();
      troubles.clear("peer-cache");
      return true;
    } catch (error) {
      troubles.raise("peer-cache", `the peers that are known could not be saved: ${messageOf(error)}`);
      return false;
    }
  }
}
