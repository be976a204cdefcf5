/**
 * The file with the peers of the last run (row E6): `<state-dir>/<iface>-peers.json`.
 */
import { type Clock, sleep } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import { readSteeringFile, writeFileAtomic } from "../core/files.ts";
import type { Log } from "../core/log.ts";
import type { PublicKey } from "../core/types.ts";
import type { TroubleRegistry } from "../observe/troubles.ts";
import { decodePeerCache, encodePeerCache, lastHeardMs, MAX_AGE_MS } from "../peers/cacheFile.ts";
import type { Peer } from "../peers/peer.ts";
import { MAX_PEERS, type PeerStore } from "../peers/store.ts";

/** Rejects when the file cannot be read or trusted; one that is damaged gives what can be read, and a line in the log. */
export async function loadPeerCache(path: string, store: PeerStore, nowMs: number, log: Log): Promise<void> {
  const text = await readSteeringFile(path);
  if (text === null) return;
  const { sightings, problem } = decodePeerCache(text, nowMs);
  if (problem !== null) log.warn({ path, reason: problem }, "peer cache damaged");
  for (const sighting of sightings) store.observe(sighting);
  log.info({ peers: store.size }, "peers of the last run restored");
}

/**
 * Whom the file is to have: the peers of the store, and for a day those that it gave up because nobody heard them. After an outage of
 * an hour the file may be all that leads back to them. Who said goodbye is forgotten.
 */
export class RememberedPeers {
  readonly #store: PeerStore;
  readonly #lost = new Map<PublicKey, Peer>();

  /** Remembers from now on, for the life of the store. */
  constructor(store: PeerStore) {
    this.#store = store;
    store.subscribe((event) => {
      const { publicKey } = event.peer;
      this.#lost.delete(publicKey);
      if (event.type !== "removed" || event.reason === "goodbye" || event.reason === "replaced") return;
      this.#lost.set(publicKey, event.peer);
      const [oldest] = this.#lost.keys();
      if (this.#lost.size > MAX_PEERS && oldest !== undefined) this.#lost.delete(oldest);
    });
  }

  list(nowMs: number): Peer[] {
    for (const [publicKey, peer] of this.#lost) {
      if (nowMs - lastHeardMs(peer) > MAX_AGE_MS) this.#lost.delete(publicKey);
    }
    return [...this.#store.list(), ...this.#lost.values()];
  }
}

export async function savePeerCache(path: string, peers: RememberedPeers, nowMs: number): Promise<void> {
  await writeFileAtomic(path, encodePeerCache(peers.list(nowMs), nowMs), 0o600);
}

export interface PeerCacheKeeping {
  readonly clock: Clock;
  readonly troubles: TroubleRegistry;
  readonly path: string;
  readonly store: PeerStore;
  readonly peers: RememberedPeers;
  readonly everyMs: number;
}

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
  const { clock, troubles, path, store, peers, everyMs } = keeping;
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
      await savePeerCache(path, peers, clock.wallMs());
      troubles.clear("peer-cache");
      return true;
    } catch (error) {
      troubles.raise("peer-cache", `the peers that are known could not be saved: ${messageOf(error)}`);
      return false;
    }
  }
}
