/**
 * STUN attributes (RFC 8489 section 14): how a body is cut into them, and the form of addresses in them.
 */
import { ipv6Bytes } from "../../core/ipBytes.ts";
import { type Endpoint, parseIp } from "../../core/types.ts";

export interface Attribute {
  /** 16 bits. */
  readonly type: number;
  /** Without padding. */
  readonly value: Buffer;
}

/** More than any answer has; the rest of a datagram full of empty ones is not worth the time. */
const MAX_ATTRIBUTES = 64;

const FAMILY_IPV4 = 1;
const FAMILY_IPV6 = 2;
/** The magic cookie, in front of the transaction id: what addresses are combined with (RFC 8489 section 14.2). */
const COOKIE = Buffer.from([0x21, 0x12, 0xa4, 0x42]);

/** The attributes of a body, or null when one does not fit into it with its padding. */
export function splitAttributes(body: Buffer): Attribute[] | null {
  const attributes: Attribute[] = [];
  let at = 0;
  while (at < body.length) {
    if (body.length - at < 4 || attributes.length === MAX_ATTRIBUTES) return null;
    const type = body.readUInt16BE(at);
    const bytes = body.readUInt16BE(at + 2);
    const start = at + 4;
    const next = start + ((bytes + 3) & ~3);
    if (next > body.length) return null;
    attributes.push({ type, value: body.subarray(start, start + bytes) });
    at = next;
  }
  return attributes;
}

/**
 * The endpoint in MAPPED-ADDRESS and its kin, canonical; null when it is broken or its port is 0.
 *
 * @param transactionId of the message for the XOR form, null for the plain one.
 */
export function decodeAddress(value: Buffer, transactionId: Buffer | null): Endpoint | null {
  const family = value.length >= 4 ? value[1] : undefined;
  const addressBytes = family === FAMILY_IPV4 ? 4 : family === FAMILY_IPV6 ? 16 : 0;
  if (addressBytes === 0 || value.length !== 4 + addressBytes) return null;
  const plain = combined(value, transactionId);
  const port = plain.readUInt16BE(2);
  const host = parseIp(hostText(plain.subarray(4)));
  return host === null || port === 0 ? null : { host, port };
}

/** @param endpoint with an IP literal. */
export function encodeAddress({ host, port }: Endpoint, transactionId: Buffer | null): Buffer {
  const address = host.includes(":") ? ipv6Bytes(host) : Buffer.from(host.split(".").map(Number));
  const head = Buffer.from([0, address.length === 4 ? FAMILY_IPV4 : FAMILY_IPV6, port >> 8, port & 255]);
  return combined(Buffer.concat([head, address]), transactionId);
}

/** Port and address XORed with cookie and transaction id; a copy. The same both ways. */
function combined(value: Buffer, transactionId: Buffer | null): Buffer {
  const result = Buffer.from(value);
  if (transactionId === null) return result;
  const mask = Buffer.concat([COOKIE, transactionId]);
  for (let index = 0; index < 2; index += 1) result[2 + index] = byte(result, 2 + index) ^ byte(mask, index);
  for (let index = 4; index < result.length; index += 1) {
    result[index] = byte(result, index) ^ byte(mask, index - 4);
  }
  return result;
}

const byte = (buffer: Buffer, index: number): number => buffer[index] as number;

function hostText(address: Buffer): string {
  if (address.length === 4) return address.join(".");
  const groups = Array.from({ length: 8 }, (_, index) => address.readUInt16BE(2 * index).toString(16));
  return groups.join(":");
}
