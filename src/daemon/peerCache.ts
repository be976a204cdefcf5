/**
 * The file with the peers of the last run (row E6): `<state-dir>/<iface>-peers.json`.
 */
import { type Clock, sleep } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import { readSteeringFile, writeFileAtomic } from "../core/files.ts";
import type { Log } from "../core/log.ts";
import type { Troubles } from "../core/troubles.ts";
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
  readonly troubles: Troubles;
  readonly path: string;
  readonly store: PeerStore;
  readonly everyMs: number;
}

/** After a failure: soon after the disk has room again, the file has what was learned meanwhile. */
const RETRY_MS = 10_000;

/** The body of a task: saves every so often. A disk that does not take it is a trouble, and no reason to stop. */
export async function keepPeerCache(keeping: PeerCacheKeeping, signal: AbortSignal): Promise<void> {
  const { clock, troubles, path, store, everyMs } = keeping;
  for (let pauseMs = everyMs; ; ) {
    await sleep(clock, pauseMs, signal);
    try {
      await savePeerCache(path, store, clock.wallMs());
      troubles.clear("peer-cache");
      pauseMs = everyMs;
    } catch (error) {
      troubles.raise("peer-cache", `the peers that are known could not be saved: ${messageOf(error)}`);
      pauseMs = Math.min(RETRY_MS, everyMs);
    }
  }
}
