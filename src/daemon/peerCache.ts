/**
 * The file with the peers of the last run (row E6): `<state-dir>/<iface>-peers.json`.
 */
import { type Clock, sleep } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import { readSteeringFile, writeFileAtomic } from "../core/files.ts";
import type { Log } from "../core/log.ts";
import type { TroubleRegistry } from "../observe/troubles.ts";
import { decodePeerCache, encodePeerCache } from "../peers/cacheFile.ts";
import type { PeerStore } from "../peers/store.ts";

/** Rejects when the file cannot be read or trusted; one that is damaged gives what can be read, and a line in the log. */
export async function loadPeerCache(path: string, store: PeerStore, nowMs: number, log: Log): Promise<void> {
  const text = await readSteeringFile(path);
  if (text === null) return;
  const { sightings, problem } = decodePeerCache(text, nowMs);
  if (problem !== null) log.warn({ path, reason: problem }, "peer cache damaged");
  for (const sighting of sightings) store.observe(sighting);
  log.info({ peers: store.size }, "peers of the last run restored");
}

export async function savePeerCache(path: string, store: PeerStore, nowMs: number): Promise<void> {
  await writeFileAtomic(path, encodePeerCache(store.list(), nowMs), 0o600);
}

export interface PeerCacheKeeping {
  readonly clock: Clock;
  readonly troubles: TroubleRegistry;
  readonly path: string;
  readonly store: PeerStore;
  readonly everyMs: number;
}

const RETRY_MS = 10_000;

/**
 * The body of a task: saves every so often, and as soon as a folder that could not be written can be again. That it cannot is a
 * trouble, and no reason to stop.
 */
export async function keepPeerCache(keeping: PeerCacheKeeping, signal: AbortSignal): Promise<void> {
  const { clock, troubles, path, store, everyMs } = keeping;
  let wake = new AbortController();
  const unsubscribe = troubles.subscribe(({ id }, standing) => {
    if (id === "state-directory" && !standing) wake.abort();
  });
  try {
    for (let pauseMs = everyMs; ; ) {
      await sleep(clock, pauseMs, AbortSignal.any([signal, wake.signal])).catch(() => {});
      signal.throwIfAborted();
      wake = new AbortController();
      pauseMs = (await trySave()) ? everyMs : Math.min(RETRY_MS, everyMs);
    }
  } finally {
    unsubscribe();
  }

  async function trySave(): Promise<boolean> {
    try {
      await savePeerCache(path, store, clock.wallMs());
      troubles.clear("peer-cache");
      return true;
    } catch (error) {
      troubles.raise("peer-cache", `the peers that are known could not be saved: ${messageOf(error)}`);
      return false;
    }
  }
}
