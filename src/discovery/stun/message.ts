/**
 * The bytes of a STUN message (RFC 8489 sections 5 and 14, RFC 5780 section 7): Binding only, without credentials. Pure; what
 * comes in is hostile, so every length is checked before it is used (weak point 8).
 */

import type { Endpoint } from "../../core/types.ts";
import { type Attribute, decodeAddress, encodeAddress, splitAttributes } from "./attributes.ts";
import { crc32 } from "./crc32.ts";

/** RFC 8489 section 5. */
const MAGIC_COOKIE = 0x2112a442;
export const HEADER_BYTES = 20;
export const TRANSACTION_ID_BYTES = 12;
/** What a server without knowledge of the path may send (RFC 8489 section 6.1); a longer one is no answer to us. */
const MAX_MESSAGE_BYTES = 1500;

const BINDING_METHOD = 0x001;
const CLASS_BITS = { request: 0x000, indication: 0x010, success: 0x100, error: 0x110 } as const;

export type MessageClass = keyof typeof CLASS_BITS;

/** Attribute types (RFC 8489 section 18.3, RFC 5780 section 9.1). */
const TYPE = {
  mappedAddress: 0x0001,
  changeRequest: 0x0003,
  errorCode: 0x0009,
  unknownAttributes: 0x000a,
  xorMappedAddress: 0x0020,
  software: 0x8022,
  fingerprint: 0x8028,
  responseOrigin: 0x802b,
  otherAddress: 0x802c,
} as const;

/**
 * Types below 0x8000 that may stand in an answer without being understood: those of RFC 3489 that old servers still add, and
 * those of RFC 8489 that only matter with credentials. Any other makes the answer one that cannot be used (section 6.3.3).
 */
const TOLERATED: ReadonlySet<number> = new Set([
  0x0002, 0x0004, 0x0005, 0x0006, 0x0007, 0x0008, 0x000b, 0x0014, 0x0015, 0x001c, 0x001d, 0x001e,
]);

const FINGERPRINT_XOR = 0x5354554e;
const MAX_TEXT_BYTES = 763;

export interface StunMessage {
  readonly class: MessageClass;
  /** 12 bytes. */
  readonly transactionId: Buffer;
  /** XOR-MAPPED-ADDRESS, else MAPPED-ADDRESS; where the request came from. */
  readonly mapped: Endpoint | null;
  /** Where the answer says it was sent from, and where the server's second address is (RFC 5780). */
  readonly responseOrigin: Endpoint | null;
  readonly otherAddress: Endpoint | null;
  readonly changeRequest: ChangeRequest | null;
  /** 300..699 and its reason, in an error answer. */
  readonly error: { readonly code: number; readonly reason: string } | null;
}

/** From where the answer should come (RFC 5780 section 7.2). */
export interface ChangeRequest {
  readonly ip: boolean;
  readonly port: boolean;
}

export interface MessageContent {
  readonly mapped?: Endpoint | null;
  readonly responseOrigin?: Endpoint | null;
  readonly otherAddress?: Endpoint | null;
  readonly changeRequest?: ChangeRequest | null;
  readonly error?: { readonly code: number; readonly reason: string } | null;
  /** Types the receiver of a request did not understand; goes with error 420. */
  readonly unknownAttributes?: readonly number[];
  readonly software?: string;
  /** MAPPED-ADDRESS in place of the XOR form, as servers of RFC 3489 send it. */
  readonly plainAddress?: boolean;
  readonly fingerprint?: boolean;
}

/** Whether the datagram is STUN and nothing else of ours: WireGuard's begin with 1..4 little endian, JSON with `{`. Cheap. */
export function looksLikeStun(data: Buffer): boolean {
  if (data.length < HEADER_BYTES || data.length > MAX_MESSAGE_BYTES) return false;
  return ((data[0] as number) & 0xc0) === 0 && data.readUInt32BE(4) === MAGIC_COOKIE;
}

/** The 12 bytes of a message that {@link looksLikeStun}, as a key of a map. */
export function transactionKey(data: Buffer): string {
  return data.toString("latin1", 8, HEADER_BYTES);
}

export function encodeMessage(
  messageClass: MessageClass,
  transactionId: Uint8Array,
  content: MessageContent = {},
): Buffer {
  const id = Buffer.from(transactionId);
  if (id.length !== TRANSACTION_ID_BYTES) throw new RangeError("a STUN transaction id has 12 bytes");
  const attributes = contentAttributes(content, id);
  const bodyBytes = attributes.reduce((sum, { value }) => sum + 4 + padded(value.length), 0);
  const message = Buffer.alloc(HEADER_BYTES + bodyBytes + (content.fingerprint === true ? 8 : 0));
  message.writeUInt16BE(BINDING_METHOD | CLASS_BITS[messageClass], 0);
  message.writeUInt16BE(message.length - HEADER_BYTES, 2);
  message.writeUInt32BE(MAGIC_COOKIE, 4);
  id.copy(message, 8);
  let at = HEADER_BYTES;
  for (const { type, value } of attributes) {
    message.writeUInt16BE(type, at);
    message.writeUInt16BE(value.length, at + 2);
    value.copy(message, at + 4);
    at += 4 + padded(value.length);
  }
  if (content.fingerprint === true) {
    message.writeUInt16BE(TYPE.fingerprint, at);
    message.writeUInt16BE(4, at + 2);
    message.writeUInt32BE(fingerprintOf(message.subarray(0, at)), at + 4);
  }
  return message;
}

/** Null for anything that is not a whole, sound Binding message. Bytes after the declared length do not count. */
export function decodeMessage(data: Buffer): StunMessage | null {
  if (!looksLikeStun(data)) return null;
  const messageClass = classOf(data.readUInt16BE(0));
  const end = HEADER_BYTES + data.readUInt16BE(2);
  if (messageClass === null || end > data.length || end % 4 !== 0) return null;
  const transactionId = Buffer.from(data.subarray(8, HEADER_BYTES));
  const attributes = splitAttributes(data.subarray(HEADER_BYTES, end));
  if (attributes === null || !fingerprintFits(data, attributes)) return null;
  return readAttributes(messageClass, transactionId, attributes);
}

function classOf(type: number): MessageClass | null {
  const names = Object.keys(CLASS_BITS) as MessageClass[];
  return names.find((name) => type === (BINDING_METHOD | CLASS_BITS[name])) ?? null;
}

function readAttributes(
  messageClass: MessageClass,
  transactionId: Buffer,
  attributes: readonly Attribute[],
): StunMessage | null {
  const first = (type: number): Buffer | null =>
    attributes.find((attribute) => attribute.type === type)?.value ?? null;
  const known = new Set<number>(Object.values(TYPE));
  for (const { type } of attributes) {
    if (type < 0x8000 && !known.has(type) && !TOLERATED.has(type)) return null;
  }
  // An address that is there but broken spoils the message: it was not made by a sound server.
  const address = (type: number, xored: boolean): Endpoint | null | undefined => {
    const value = first(type);
    return value === null ? null : (decodeAddress(value, xored ? transactionId : null) ?? undefined);
  };
  const xorMapped = address(TYPE.xorMappedAddress, true);
  const plainMapped = address(TYPE.mappedAddress, false);
  const responseOrigin = address(TYPE.responseOrigin, false);
  const otherAddress = address(TYPE.otherAddress, false);
  const changeRequest = readChangeRequest(first(TYPE.changeRequest));
  const error = readError(first(TYPE.errorCode));
  if (xorMapped === undefined || plainMapped === undefined) return null;
  if (responseOrigin === undefined || otherAddress === undefined) return null;
  if (changeRequest === undefined || error === undefined) return null;
  return {
    class: messageClass,
    transactionId,
    mapped: xorMapped ?? plainMapped,
    responseOrigin,
    otherAddress,
    changeRequest,
    error,
  };
}

function readChangeRequest(value: Buffer | null): ChangeRequest | null | undefined {
  if (value === null) return null;
  if (value.length !== 4) return undefined;
  const flags = value.readUInt32BE(0);
  return { ip: (flags & 4) !== 0, port: (flags & 2) !== 0 };
}

/** RFC 8489 section 14.8. */
function readError(value: Buffer | null): StunMessage["error"] | undefined {
  if (value === null) return null;
  if (value.length < 4) return undefined;
  const hundreds = (value[2] as number) & 7;
  const rest = value[3] as number;
  if (hundreds < 3 || hundreds > 6 || rest > 99) return undefined;
  return { code: hundreds * 100 + rest, reason: value.toString("utf8", 4, 4 + MAX_TEXT_BYTES) };
}

function contentAttributes(content: MessageContent, id: Buffer): Attribute[] {
  const { mapped, responseOrigin, otherAddress, changeRequest, error, unknownAttributes, software } = content;
  const attributes: Attribute[] = [];
  const add = (type: number, value: Buffer): void => void attributes.push({ type, value });
  if (software !== undefined) add(TYPE.software, Buffer.from(software).subarray(0, MAX_TEXT_BYTES));
  if (changeRequest) {
    const flags = Buffer.alloc(4);
    flags.writeUInt32BE((changeRequest.ip ? 4 : 0) | (changeRequest.port ? 2 : 0));
    add(TYPE.changeRequest, flags);
  }
  if (error) {
    const head = Buffer.from([0, 0, Math.floor(error.code / 100), error.code % 100]);
    add(TYPE.errorCode, Buffer.concat([head, Buffer.from(error.reason).subarray(0, MAX_TEXT_BYTES)]));
  }
  if (unknownAttributes !== undefined) {
    const types = Buffer.alloc(2 * unknownAttributes.length);
    for (const [index, type] of unknownAttributes.entries()) types.writeUInt16BE(type, 2 * index);
    add(TYPE.unknownAttributes, types);
  }
  if (mapped) {
    if (content.plainAddress === true) add(TYPE.mappedAddress, encodeAddress(mapped, null));
    else add(TYPE.xorMappedAddress, encodeAddress(mapped, id));
  }
  if (responseOrigin) add(TYPE.responseOrigin, encodeAddress(responseOrigin, null));
  if (otherAddress) add(TYPE.otherAddress, encodeAddress(otherAddress, null));
  return attributes;
}

/** RFC 8489 section 14.7: where it is given it is right, and the last one. */
function fingerprintFits(data: Buffer, attributes: readonly Attribute[]): boolean {
  const index = attributes.findIndex(({ type }) => type === TYPE.fingerprint);
  if (index < 0) return true;
  const value = attributes[index]?.value as Buffer;
  if (index !== attributes.length - 1 || value.length !== 4) return false;
  const end = HEADER_BYTES + data.readUInt16BE(2);
  return value.readUInt32BE(0) === fingerprintOf(data.subarray(0, end - 8));
}

function fingerprintOf(before: Buffer): number {
  return (crc32(before) ^ FINGERPRINT_XOR) >>> 0;
}

const padded = (bytes: number): number => (bytes + 3) & ~3;
