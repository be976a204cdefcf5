/**
 * The file with the peers of the last run (row E6): `<state-dir>/<iface>-peers.json`.
 */
import { readSteeringFile, writeFileAtomic } from "../core/files.ts";
import type { Log } from "../core/log.ts";
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
