/**
 * The proof that a message comes from the holder of its sender's WireGuard key: an extension that other implementations
 * ignore. All members can seal a message in anybody's name; this tells the sender from the other members.
 *
 * The sender appends `proof` as the last member of the payload: base64 of the HMAC over the message's type, a zero byte and
 * the payload's bytes without that member. `message_id` is random, so that no two messages have the same proof: one that comes
 * again, sealed anew by another member, is known as a replay.
 */
import type { PublicKey } from "../core/types.ts";

/** Makes and checks proofs with this node's key, which stays in the addon. */
export interface Prover {
  /** 32 bytes that `peer` can check; null when its key is of low order. */
  prove(peer: PublicKey, type: string, payload: Uint8Array): Buffer | null;
  /** True when `peer` made the proof for this type and payload. */
  verify(peer: PublicKey, type: string, payload: Uint8Array, proof: Uint8Array): boolean;
}

export const MESSAGE_ID_BYTES = 6;
const PROOF_BYTES = 32;
const HEAD = `,"proof":"`;
const TAIL = `"}`;
const BASE64 = /^[A-Za-z0-9+/]{43}=$/;
const BASE64_LENGTH = 44;
const MEMBER_LENGTH = HEAD.length + BASE64_LENGTH + TAIL.length;

/** What the two members add to a payload, in bytes. */
export const PROOF_OVERHEAD_BYTES =
  `,"message_id":""`.length + MESSAGE_ID_BYTES * 2 + HEAD.length + BASE64_LENGTH + TAIL.length - 1;

/** The payload, a JSON object, with a proof for `peer`; as it is when none can be made. */
export function withProof(
  payload: string,
  type: string,
  peer: PublicKey,
  prover: Prover,
  messageId: Buffer,
): string {
  const signed = `${payload.slice(0, -1)},"message_id":"${messageId.toString("hex")}"}`;
  const proof = prover.prove(peer, type, Buffer.from(signed));
  return proof === null ? payload : `${signed.slice(0, -1)}${HEAD}${proof.toString("base64")}${TAIL}`;
}

export interface SplitPayload {
  /** What the proof is about: the payload's bytes without it. */
  readonly signed: Buffer;
  readonly proof: Buffer;
}

/** The two parts of a payload that ends in a proof; null for any other. */
export function splitProof(payload: Buffer): SplitPayload | null {
  const start = payload.length - MEMBER_LENGTH;
  if (start <= 0 || payload.toString("latin1", start, start + HEAD.length) !== HEAD) return null;
  const from = start + HEAD.length;
  const text = payload.toString("latin1", from, from + BASE64_LENGTH);
  if (!BASE64.test(text) || payload.toString("latin1", from + BASE64_LENGTH) !== TAIL) return null;
  const proof = Buffer.from(text, "base64");
  // One text for one proof: spare bits are zero.
  if (proof.length !== PROOF_BYTES || proof.toString("base64") !== text) return null;
  return { signed: Buffer.concat([payload.subarray(0, start), Buffer.from("}")]), proof };
}
