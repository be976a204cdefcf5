import type { Random } from "../core/random.ts";
import { JsonObject, readJson } from "./json.ts";
import { memberReader } from "./members.ts";
import type { Sealer } from "./sealer.ts";

/** What every payload names itself (PROTOCOL.md section 3). */
export const PROTOCOL = "wgmesh-v1";

/** Payloads may be this far from our clock, in seconds; exactly this passes (PROTOCOL.md section 3). */
export const MAX_CLOCK_DIFFERENCE_SECONDS = 600;

/**
 * UDP carries 65,507 bytes, but the registry carries the same envelope in text, where 1,000 known peers must pass:
 * about 160 KB.
 */
export const MAX_ENVELOPE_BYTES = 262_144;

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The step that refused a datagram, in the order of the steps (PROTOCOL.md section 3). */
export type EnvelopeStage =
  | "size"
  | "envelope_json"
  | "nonce_size"
  | "auth"
  | "payload_metadata_json"
  | "protocol"
  | "too_old"
  | "too_new";

export interface OpenedEnvelope {
  readonly ok: true;
  /** Not authenticated: anyone on the path can change it (weak point 1). */
  readonly type: string;
  readonly nonce: Buffer;
  readonly payload: JsonObject;
  /** The bytes `payload` was read from. */
  readonly plaintext: Buffer;
  readonly timestampSeconds: number;
}

export interface RejectedEnvelope {
  readonly ok: false;
  readonly stage: EnvelopeStage;
  /** With `too_old` and `too_new`: how far the sender's clock is ahead of ours, negative when behind. */
  readonly aheadSeconds?: number;
}

const reject = (stage: EnvelopeStage): RejectedEnvelope => Object.freeze({ ok: false, stage });

/** One frozen object a stage: a flood of garbage allocates nothing here. */
const REJECTED = {
  size: reject("size"),
  envelopeJson: reject("envelope_json"),
  nonceSize: reject("nonce_size"),
  auth: reject("auth"),
  payloadMetadataJson: reject("payload_metadata_json"),
  protocol: reject("protocol"),
};

const readEnvelope = memberReader({ type: "string", nonce: "bytes", ciphertext: "bytes" });
const readMetadata = memberReader({ protocol: "string", timestamp: "integer" });

/** Seals a payload's JSON text under a fresh nonce: the datagram, byte for byte as the Go encoder writes it. */
export function sealEnvelope(type: string, payload: string, sealer: Sealer, random: Random): Buffer {
  const nonce = random.bytes(NONCE_BYTES);
  const ciphertext = sealer.seal(nonce, Buffer.from(payload));
  return Buffer.from(envelopeText(type, nonce.toString("base64"), ciphertext.toString("base64")));
}

/** Bytes of the datagram that carries `payloadBytes` of payload. */
export function envelopeSize(type: string, payloadBytes: number): number {
  const base64Size = (bytes: number): number => Math.ceil(bytes / 3) * 4;
  return envelopeText(type, "", "").length + base64Size(NONCE_BYTES) + base64Size(payloadBytes + TAG_BYTES);
}

function envelopeText(type: string, nonce: string, ciphertext: string): string {
  return `{"type":"${type}","nonce":"${nonce}","ciphertext":"${ciphertext}"}`;
}

/**
 * Opens a datagram as PROTOCOL.md section 3 orders; `nowMs` is Unix time. What waits somewhere to be read may be older than a
 * datagram: `maxAgeSeconds`. Never throws on any input.
 */
export function openEnvelope(
  datagram: Buffer,
  sealer: Sealer,
  nowMs: number,
  maxAgeSeconds: number = MAX_CLOCK_DIFFERENCE_SECONDS,
): OpenedEnvelope | RejectedEnvelope {
  if (datagram.length > MAX_ENVELOPE_BYTES) return REJECTED.size;
  const json = readJson(datagram.toString("utf8"), MAX_ENVELOPE_BYTES);
  const envelope = json === undefined ? undefined : readEnvelope(json);
  if (envelope === undefined) return REJECTED.envelopeJson;
  const { type, nonce, ciphertext } = envelope;
  if (nonce.length !== NONCE_BYTES) return REJECTED.nonceSize;
  const plaintext = ciphertext.length < TAG_BYTES ? null : sealer.open(nonce, ciphertext);
  if (plaintext === null) return REJECTED.auth;

  const payload = readJson(plaintext.toString("utf8"), MAX_ENVELOPE_BYTES);
  const metadata = payload === undefined ? undefined : readMetadata(payload);
  if (metadata === undefined) return REJECTED.payloadMetadataJson;
  // The Go decoder takes a payload of `null` for an object without members, so it fails here and not above.
  if (!(payload instanceof JsonObject) || metadata.protocol !== PROTOCOL) return REJECTED.protocol;
  const ageSeconds = Math.floor(nowMs / 1000) - metadata.timestamp;
  if (ageSeconds > maxAgeSeconds) return { ok: false, stage: "too_old", aheadSeconds: -ageSeconds };
  if (ageSeconds < -MAX_CLOCK_DIFFERENCE_SECONDS) {
    return { ok: false, stage: "too_new", aheadSeconds: -ageSeconds };
  }
  return { ok: true, type, nonce, payload, plaintext, timestampSeconds: metadata.timestamp };
}
