/**
 * OFFER and START (PROTOCOL.md sections 4.3 and 4.4), and INVITE, which is ours. "I want to reach that key", says an OFFER to an
 * introducer; the introducer tells both ends where the other is and when to begin with a START. An INVITE asks the end that did
 * not offer yet to do so: a START counts only after an own OFFER (weak point 10).
 *
 * `wg_candidates`, `nat_type`, `delay_ms` and `start_in_ms` are ours; Go nodes pass them over.
 */
import { type Endpoint, endpointText, type PublicKey, parsePublicKey } from "../core/types.ts";
import { MAX_CANDIDATES, MAX_START_CANDIDATES, readCandidates } from "./candidates.ts";
import { PROTOCOL } from "./envelope.ts";
import { readNatType } from "./fields.ts";
import { goString } from "./goJson.ts";
import type { JsonObject } from "./json.ts";
import { memberReader } from "./members.ts";
import { isPairId, pairId } from "./pairs.ts";
import type { NatType } from "./types.ts";

/** An end never waits longer than this for the start (weak point 10). */
export const MAX_LEAD_MS = 5_000;
/** The side that goes second waits at most this long more. */
const MAX_DELAY_MS = 1_000;

export interface Offer {
  readonly from: PublicKey;
  readonly target: PublicKey;
  readonly timestampSeconds: number;
  /** Control sockets of the sender, beside the one the datagram comes from. */
  readonly candidates: readonly Endpoint[];
  /** Where its WireGuard may be reached; empty for Go nodes. */
  readonly wireguardCandidates: readonly Endpoint[];
  /** What its NAT is, as it knows now; "" for Go nodes. */
  readonly natType: NatType;
}

export interface Start {
  readonly peer: PublicKey;
  /** Of the receiver and `peer`. */
  readonly pairId: string;
  /** Who sent it, by its own word; null when it does not say. */
  readonly introducer: PublicKey | null;
  readonly timestampSeconds: number;
  /** Control sockets of the peer. */
  readonly candidates: readonly Endpoint[];
  readonly wireguardCandidates: readonly Endpoint[];
  /** What the peer's NAT is; "" from Go nodes. */
  readonly natType: NatType;
  /** By the introducer's clock, Unix ms; 0 for at once. */
  readonly startAtMs: number;
  /** The same counted from the arrival, which needs no clocks that agree; null from Go nodes. */
  readonly startInMs: number | null;
  /** How much later than that this side begins to send, so that the other goes first. */
  readonly delayMs: number;
}

/** Somebody wants to reach the receiver of this: it may offer too. */
export interface Invite {
  /** The introducer that says so. */
  readonly from: PublicKey;
  readonly peer: PublicKey;
  readonly timestampSeconds: number;
}

const readOffer = memberReader({
  from_pubkey: "string",
  target_pubkey: "string",
  pair_id: "string",
  timestamp: "integer",
  candidates: "strings",
  wg_candidates: "strings",
  nat_type: "string",
});
const readStart = memberReader({
  pair_id: "string",
  peer_pubkey: "string",
  timestamp: "integer",
  peer_candidates: "strings",
  start_at_unix_ms: "integer",
  introducer_key: "string",
  wg_candidates: "strings",
  nat_type: "string",
  start_in_ms: "integer",
  delay_ms: "integer",
});
const readInvite = memberReader({ from_pubkey: "string", peer_pubkey: "string", timestamp: "integer" });
/** Tells an absent member from 0. */
const hasStartIn = (payload: JsonObject): boolean =>
  payload.names.some((name) => name.toLowerCase() === "start_in_ms");

export type RendezvousField =
  | "json"
  | "from_pubkey"
  | "target_pubkey"
  | "peer_pubkey"
  | "pair_id"
  | "start_at_unix_ms"
  | "start_in_ms"
  | "delay_ms";

export type DecodedRendezvous<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly field: RendezvousField };

const bad = (field: RendezvousField): { readonly ok: false; readonly field: RendezvousField } => ({
  ok: false,
  field,
});

/** A wrong `pair_id` refuses the message; it may be absent. Candidates that can be nobody's address are left out. */
export function decodeOffer(payload: JsonObject): DecodedRendezvous<Offer> {
  const members = readOffer(payload);
  if (members === undefined) return bad("json");
  const from = parsePublicKey(members.from_pubkey);
  if (from === null) return bad("from_pubkey");
  const target = parsePublicKey(members.target_pubkey);
  if (target === null || target === from) return bad("target_pubkey");
  if (members.pair_id !== "" && members.pair_id !== pairId(from, target)) return bad("pair_id");
  return {
    ok: true,
    value: {
      from,
      target,
      timestampSeconds: members.timestamp,
      candidates: readCandidates(members.candidates, MAX_CANDIDATES),
      wireguardCandidates: readCandidates(members.wg_candidates, MAX_CANDIDATES),
      natType: readNatType(members.nat_type),
    },
  };
}

export function encodeOffer(offer: Offer): string {
  return [
    `{"protocol":"${PROTOCOL}","timestamp":${offer.timestampSeconds}`,
    `,"from_pubkey":${goString(offer.from)},"target_pubkey":${goString(offer.target)}`,
    `,"pair_id":"${pairId(offer.from, offer.target)}"`,
    list("candidates", offer.candidates, MAX_CANDIDATES),
    list("wg_candidates", offer.wireguardCandidates, MAX_CANDIDATES),
    natTypeText(offer.natType),
    "}",
  ].join("");
}

export function decodeStart(payload: JsonObject): DecodedRendezvous<Start> {
  const members = readStart(payload);
  if (members === undefined) return bad("json");
  const peer = parsePublicKey(members.peer_pubkey);
  if (peer === null) return bad("peer_pubkey");
  if (!isPairId(members.pair_id)) return bad("pair_id");
  if (members.start_at_unix_ms < 0) return bad("start_at_unix_ms");
  const { start_in_ms, delay_ms } = members;
  if (start_in_ms < 0 || start_in_ms > MAX_LEAD_MS) return bad("start_in_ms");
  if (delay_ms < 0 || delay_ms > MAX_DELAY_MS) return bad("delay_ms");
  return {
    ok: true,
    value: {
      peer,
      pairId: members.pair_id,
      introducer: parsePublicKey(members.introducer_key),
      timestampSeconds: members.timestamp,
      candidates: readCandidates(members.peer_candidates, MAX_START_CANDIDATES),
      wireguardCandidates: readCandidates(members.wg_candidates, MAX_CANDIDATES),
      natType: readNatType(members.nat_type),
      startAtMs: members.start_at_unix_ms,
      startInMs: hasStartIn(payload) ? start_in_ms : null,
      delayMs: delay_ms,
    },
  };
}

export function encodeStart(start: Start): string {
  return [
    `{"protocol":"${PROTOCOL}","timestamp":${start.timestampSeconds}`,
    `,"pair_id":"${start.pairId}","peer_pubkey":${goString(start.peer)}`,
    list("peer_candidates", start.candidates, MAX_START_CANDIDATES),
    `,"start_at_unix_ms":${start.startAtMs}`,
    start.introducer === null ? "" : `,"introducer_key":${goString(start.introducer)}`,
    list("wg_candidates", start.wireguardCandidates, MAX_CANDIDATES),
    natTypeText(start.natType),
    start.startInMs === null ? "" : `,"start_in_ms":${start.startInMs},"delay_ms":${start.delayMs}`,
    "}",
  ].join("");
}

export function decodeInvite(payload: JsonObject): DecodedRendezvous<Invite> {
  const members = readInvite(payload);
  if (members === undefined) return bad("json");
  const from = parsePublicKey(members.from_pubkey);
  if (from === null) return bad("from_pubkey");
  const peer = parsePublicKey(members.peer_pubkey);
  if (peer === null || peer === from) return bad("peer_pubkey");
  return { ok: true, value: { from, peer, timestampSeconds: members.timestamp } };
}

export function encodeInvite({ from, peer, timestampSeconds }: Invite): string {
  const head = `{"protocol":"${PROTOCOL}","timestamp":${timestampSeconds}`;
  return `${head},"from_pubkey":${goString(from)},"peer_pubkey":${goString(peer)}}`;
}

const natTypeText = (natType: NatType): string => (natType === "" ? "" : `,"nat_type":"${natType}"`);

function list(name: string, endpoints: readonly Endpoint[], max: number): string {
  if (endpoints.length === 0) return "";
  return `,"${name}":[${endpoints
    .slice(0, max)
    .map((endpoint) => goString(endpointText(endpoint)))
    .join(",")}]`;
}
