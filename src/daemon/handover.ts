/**
 * What a daemon leaves to the one it becomes by `wgmesh restart` (row C4), where the interface stays too: with the peers as they were
 * known the successor's first cycle finds nothing to change, and with the same instance the peers have no restart to react to.
 *
 * A file of the run folder, read once and by nobody else. What is lost with it is found again as after any start.
 */
import { rm } from "node:fs/promises";
import { messageOf } from "../core/errors.ts";
import { readSteeringFile, writeFileAtomic } from "../core/files.ts";
import type { Log } from "../core/log.ts";
import type { Peer, Sighting } from "../peers/peer.ts";
import { isMention } from "../peers/rank.ts";
import type { PeerStore } from "../peers/store.ts";
import type { Backend } from "../wireguard/backend.ts";
import type { Signals } from "./signals.ts";

export interface Handover {
  /** Of the daemon that wrote it: the records of another release may be others. */
  readonly version: string;
  readonly instance: string;
  /** The port that was asked for, which tells a changed option from a port that was taken. */
  readonly listenPort: number | null;
  readonly peers: readonly Peer[];
}

/** Whether the interface is left to the successor: the kernel's goes on without a process. */
export function leavesInterface(
  signals: Pick<Signals, "leavesInterface">,
  backend: Pick<Backend, "name">,
): boolean {
  return signals.leavesInterface && backend.name === "kernel";
}

/** A peer takes about 1 KiB; these are some 60,000. */
const MAX_BYTES = 64 * 1024 * 1024;

/** Rejects with ERR_STATE_WRITE. */
export async function writeHandover(path: string, handover: Handover): Promise<void> {
  await writeFileAtomic(path, JSON.stringify(handover), 0o600);
}

/** Reads the file and removes it; null when there is none of this release, or it cannot be trusted. */
export async function takeHandover(path: string, version: string, log: Log): Promise<Handover | null> {
  try {
    const text = await readSteeringFile(path, { maxBytes: MAX_BYTES });
    if (text === null) return null;
    await rm(path);
    const handover = JSON.parse(text) as Handover;
    return handover.version === version ? handover : null;
  } catch (error) {
    log.warn({ path, reason: messageOf(error) }, "what the daemon before left cannot be used");
    return null;
  }
}

/** The peers that had spoken for themselves, as they were; the others come back by those. */
export function restoreHandover(store: PeerStore, peers: readonly Peer[]): void {
  for (const peer of peers) {
    const method = [peer.endpointMethod, ...peer.methods].find((known) => !isMention(known));
    if (method === undefined || peer.lastSeenMs === 0) continue;
    store.observe(sightingOf(peer, method));
    store.noteHandshake(peer.publicKey, peer.lastHandshakeMs);
  }
}

function sightingOf(peer: Peer, method: Sighting["method"]): Sighting {
  const {
    publicKey,
    hostname,
    introducer,
    relays,
    exitNode = false,
    networks,
    candidates,
    natType,
    instance,
  } = peer;
  return {
    ...{ publicKey, method, hostname, introducer, relays, exitNode, networks, candidates, natType, instance },
    ...(peer.meshIp === null ? {} : { meshIp: peer.meshIp }),
    ...(peer.meshIpv6 === null ? {} : { meshIpv6: peer.meshIpv6 }),
    ...(peer.endpoint === null ? {} : { endpoint: peer.endpoint }),
    ...(peer.controlEndpoint === null ? {} : { controlEndpoint: peer.controlEndpoint }),
    knowsUs: peer.knowsUs,
    proven: peer.proven,
  };
}
