/**
 * The member `rotation` of HELLO, REPLY and ANNOUNCE: a new secret is announced (PROTOCOL.md section 13, whose JSON each entry is), or
 * withdrawn. The Go peer defines the announcement and sends none; it ignores the member. At most two entries are sent and looked at.
 */
import { goString } from "./goJson.ts";
import type { JsonObject } from "./json.ts";
import { memberReader } from "./members.ts";

export interface RotationNotice {
  /** SHA-256 of the new secret. */
  readonly commitment: Uint8Array;
  /** From `timestampSeconds` on. */
  readonly graceSeconds: number;
  readonly timestampSeconds: number;
  /** By the old secret's membership key, over commitment, grace and time. */
  readonly signature: Uint8Array;
  /** Ours: it is withdrawn, signed by the new secret's membership key. */
  readonly abort?: { readonly timestampSeconds: number; readonly signature: Uint8Array };
}

export const MAX_NOTICES = 2;
const HASH_BYTES = 32;

const read = memberReader({
  new_secret_hash: "bytes",
  grace_period: "integer",
  timestamp: "integer",
  signature: "bytes",
  abort_timestamp: "integer",
  abort_signature: "bytes",
});

/** One entry as JSON: byte for byte the Go encoder's, and ours at its end. */
export function rotationText(notice: RotationNotice): string {
  const base64 = (bytes: Uint8Array): string => goString(Buffer.from(bytes).toString("base64"));
  const { commitment, graceSeconds, timestampSeconds, signature, abort } = notice;
  const withdrawn =
    abort === undefined
      ? ""
      : `,"abort_timestamp":${abort.timestampSeconds},"abort_signature":${base64(abort.signature)}`;
  return `{"new_secret_hash":${base64(commitment)},"grace_period":${graceSeconds},"timestamp":${timestampSeconds},"signature":${base64(signature)}${withdrawn}}`;
}

/** The entries that are whole; what is wrong with one is no reason to refuse the message that carries it. */
export function readRotations(entries: readonly JsonObject[]): readonly RotationNotice[] {
  return entries.slice(0, MAX_NOTICES).flatMap((entry) => readRotation(entry) ?? []);
}

function readRotation(entry: JsonObject): RotationNotice | null {
  const members = read(entry);
  if (members === undefined) return null;
  const { new_secret_hash: commitment, signature, abort_signature: abortSignature } = members;
  if (commitment.length !== HASH_BYTES || signature.length !== HASH_BYTES || members.grace_period < 0)
    return null;
  return {
    commitment,
    signature,
    graceSeconds: members.grace_period,
    timestampSeconds: members.timestamp,
    ...(abortSignature.length === HASH_BYTES
      ? { abort: { timestampSeconds: members.abort_timestamp, signature: abortSignature } }
      : {}),
  };
}
