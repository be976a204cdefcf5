import { type PublicKey, parsePublicKey } from "../core/types.ts";
import { PROTOCOL } from "./envelope.ts";
import { goString } from "./goJson.ts";
import type { JsonObject } from "./json.ts";
import { memberReader } from "./members.ts";
import type { Goodbye } from "./types.ts";

/** A GOODBYE may be this far from our clock, in seconds (PROTOCOL.md section 5). */
const MAX_GOODBYE_AGE_SECONDS = 60;

const readGoodbye = memberReader({ wg_pubkey: "string", timestamp: "integer" });

/** What only HELLO, REPLY and ANNOUNCE have. */
const ANNOUNCEMENT_MEMBERS: ReadonlySet<string> = new Set([
  "hostname",
  "mesh_ip",
  "mesh_ipv6",
  "wg_endpoint",
  "introducer",
  "routable_networks",
  "known_peers",
  "observed_endpoint",
  "nat_type",
  "instance",
  "relays",
  "exit_node",
  "candidates",
]);

export type GoodbyeStage = "goodbye_json" | "goodbye_announcement" | "goodbye_key" | "goodbye_age";

export type DecodedGoodbye =
  | { readonly ok: true; readonly value: Goodbye }
  | { readonly ok: false; readonly stage: GoodbyeStage };

/**
 * Decodes the payload of a GOODBYE; `nowMs` is Unix time.
 *
 * The type of a message is not authenticated, so anyone on the path can relabel a captured announcement as a GOODBYE
 * and evict its sender (weak point 1). A payload with members that only announcements have is therefore refused.
 */
export function decodeGoodbye(payload: JsonObject, nowMs: number): DecodedGoodbye {
  if (payload.names.some((name) => ANNOUNCEMENT_MEMBERS.has(name.toLowerCase()))) {
    return { ok: false, stage: "goodbye_announcement" };
  }
  const members = readGoodbye(payload);
  if (members === undefined) return { ok: false, stage: "goodbye_json" };
  const publicKey = parsePublicKey(members.wg_pubkey);
  if (publicKey === null) return { ok: false, stage: "goodbye_key" };
  const ageSeconds = Math.floor(nowMs / 1000) - members.timestamp;
  if (Math.abs(ageSeconds) > MAX_GOODBYE_AGE_SECONDS) return { ok: false, stage: "goodbye_age" };
  return { ok: true, value: { publicKey, timestampSeconds: members.timestamp } };
}

/** The payload of our own GOODBYE. */
export function encodeGoodbye(publicKey: PublicKey, timestampSeconds: number): string {
  return `{"protocol":"${PROTOCOL}","timestamp":${timestampSeconds},"wg_pubkey":${goString(publicKey)}}`;
}
