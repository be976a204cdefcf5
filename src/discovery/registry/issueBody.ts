/**
 * The text of the registry's issue (PROTOCOL.md section 8.1, vectors `registry`): a free first line and, between marks, an ANNOUNCE
 * envelope whose sender and known peers are where to ask. Pure.
 */
import type { Random } from "../../core/random.ts";
import { decodeAnnouncement, encodeAnnouncement } from "../../wire/announcement.ts";
import { openEnvelope, sealEnvelope } from "../../wire/envelope.ts";
import type { Sealer } from "../../wire/sealer.ts";
import type { Announcement } from "../../wire/types.ts";

const START = "<!-- PEERS:";
const END = ":PEERS -->";
const FIRST_LINE = "wgmesh registry rendezvous point";

/** Peers in one issue: the sender and 49 others. */
const MAX_MENTIONED = 49;
/** The service takes 65,536 characters. */
const MAX_BODY_BYTES = 60_000;

/**
 * How old an entry may be, seconds. The Go peer's 600 make the registry useless after ten minutes; here what it holds are places to
 * ask, never facts, and a place is worth asking for a day.
 */
const MAX_ENTRY_AGE_SECONDS = 24 * 3600;

/** `wgmesh-` and the rendezvous id, 16 hex digits. */
export const issueTitle = (rendezvousId: string): string => `wgmesh-${rendezvousId}`;

/** The announcement in a body; null when there is none that this mesh sealed within the last day. `nowMs` is Unix time. */
export function readIssueBody(body: string, sealer: Sealer, nowMs: number): Announcement | null {
  const start = body.indexOf(START);
  const end = body.lastIndexOf(END);
  if (start < 0 || end < start + START.length) return null;
  const text = body.slice(start + START.length, end).trim();
  const envelope = openEnvelope(Buffer.from(text), sealer, nowMs, MAX_ENTRY_AGE_SECONDS);
  if (!envelope.ok || envelope.type !== "ANNOUNCE") return null;
  const decoded = decodeAnnouncement(envelope.payload);
  return decoded.ok ? decoded.value : null;
}

/** The body with as many of its known peers as an issue takes. */
export function writeIssueBody(announcement: Announcement, sealer: Sealer, random: Random): string {
  const knownPeers = announcement.knownPeers.slice(0, MAX_MENTIONED);
  const { payload } = encodeAnnouncement("ANNOUNCE", { ...announcement, knownPeers }, MAX_BODY_BYTES);
  const envelope = sealEnvelope("ANNOUNCE", payload, sealer, random);
  return `${FIRST_LINE}\n\n${START}\n${envelope.toString()}\n${END}`;
}
