/**
 * DANDELION, a message of ours between neighbours of the mesh: an announcement that goes from node to node without its maker
 * (PROTOCOL.md section 13 for the fields and the rules, row D9). Go nodes drop the type.
 *
 * It carries no proof: whoever passes it on seals it anew, and proofs are for pairs. So what it says of its origin is the word of
 * others, never the origin's own. Networks are not sent, since nobody may believe them; where they come, they are checked.
 */
import { type IpAddress, type PublicKey, parseIp, parsePublicKey } from "../core/types.ts";
import { decodeBase64 } from "./base64.ts";
import { PROTOCOL } from "./envelope.ts";
import { checkNetworks, isEndpointText } from "./fields.ts";
import { goString } from "./goJson.ts";
import type { JsonObject } from "./json.ts";
import { memberReader } from "./members.ts";

export const DANDELION = "DANDELION";
export const NONCE_BYTES = 16;
/** Hops are counted up to here; a message that has come so far is on the stem no more. */
export const MAX_HOPS = 4;
/** Older word than this is of no use to anybody: a peer that nobody has heard for five minutes is not active. */
const MAX_AGE_SECONDS = 300;

export interface PassedAnnouncement {
  readonly origin: PublicKey;
  readonly meshIp: IpAddress;
  /** WireGuard's endpoint as sent: `host:port`, or "" when unknown. */
  readonly endpoint: string;
  /** 0..255 as sent; the rules cap it at {@link MAX_HOPS}. */
  readonly hopCount: number;
  /** The maker's clock, Unix seconds; the same at every hop. */
  readonly timestampSeconds: number;
  /** 32 hex digits, the same at every hop. */
  readonly nonce: string;
  /** Seconds since the origin was heard, 1..300. Our extension, since clocks differ. */
  readonly ageSeconds: number;
  /** On its way to everybody, no longer on the stem. Our extension. */
  readonly fluff: boolean;
}

const readMembers = memberReader({
  origin_pubkey: "string",
  origin_mesh_ip: "string",
  origin_endpoint: "string",
  routable_networks: "strings",
  hop_count: "integer",
  timestamp: "integer",
  nonce: "string",
  age: "integer",
  fluff: "boolean",
});

export type DecodedDandelion =
  | { readonly ok: true; readonly value: PassedAnnouncement }
  /** The first field that broke its rule. */
  | { readonly ok: false; readonly field: string };

const bad = (field: string): DecodedDandelion => ({ ok: false, field });

/** An absent age counts as a second. Never throws. */
export function decodeDandelion(payload: JsonObject): DecodedDandelion {
  const members = readMembers(payload);
  if (members === undefined) return bad("json");
  const origin = parsePublicKey(members.origin_pubkey);
  if (origin === null) return bad("origin_pubkey");
  const meshIp = parseIp(members.origin_mesh_ip);
  if (meshIp === null) return bad("origin_mesh_ip");
  if (!isEndpointText(members.origin_endpoint)) return bad("origin_endpoint");
  const networks = checkNetworks(members.routable_networks);
  if (typeof networks === "string") return bad(networks);
  if (members.hop_count < 0 || members.hop_count > 255) return bad("hop_count");
  const nonce = decodeBase64(members.nonce);
  if (nonce === null || nonce.length !== NONCE_BYTES) return bad("nonce");
  if (members.age < 0 || members.age > MAX_AGE_SECONDS) return bad("age");
  return {
    ok: true,
    value: {
      origin,
      meshIp,
      endpoint: members.origin_endpoint,
      hopCount: members.hop_count,
      timestampSeconds: members.timestamp,
      nonce: nonce.toString("hex"),
      ageSeconds: Math.max(1, members.age),
      fluff: members.fluff,
    },
  };
}

/** The payload's text for sealEnvelope; both phases have nearly the same length. */
export function encodeDandelion(message: PassedAnnouncement): string {
  return [
    `{"protocol":"${PROTOCOL}","origin_pubkey":${goString(message.origin)}`,
    `,"origin_mesh_ip":${goString(message.meshIp)},"origin_endpoint":${goString(message.endpoint)}`,
    `,"hop_count":${message.hopCount},"timestamp":${message.timestampSeconds}`,
    `,"nonce":"${Buffer.from(message.nonce, "hex").toString("base64")}"`,
    `,"age":${message.ageSeconds},"fluff":${message.fluff}}`,
  ].join("");
}

/** The same announcement after it was held for so long; null when that made it too old to be told. */
export function aged(message: PassedAnnouncement, heldMs: number): PassedAnnouncement | null {
  // Rounded down: rounding up would count hops in seconds.
  const ageSeconds = message.ageSeconds + Math.floor(heldMs / 1000);
  if (ageSeconds > MAX_AGE_SECONDS) return null;
  return ageSeconds === message.ageSeconds ? message : { ...message, ageSeconds };
}
