/**
 * The addresses that follow from a key: the normal one and those a node takes when that one has another owner (PROTOCOL.md
 * section 2.4). Go nodes know nonce 1 alone; ours go on to {@link MAX_NONCE}.
 */
import ipaddr from "ipaddr.js";
import { type IpAddress, type PublicKey, parseIp } from "../core/types.ts";
import type { AddressDerivation } from "./addresses.ts";

export type AddressFamily = "ipv4" | "ipv6";

/** Each nonce is one more address that whoever grinds keys may aim at, so they are few. */
export const MAX_NONCE = 10;

/** What the Go peer derives too. */
export const MAX_GO_NONCE = 1;

/**
 * The key's address of a nonce; null when the derivation gives none. IPv6 has no nonce in the protocol: the last group of the normal address
 * is counted on, which only matters where two nodes were given one address by hand.
 */
export function addressOf(
  derivation: AddressDerivation,
  publicKey: PublicKey,
  family: AddressFamily,
  nonce: number,
): IpAddress | null {
  if (family === "ipv4") return parseIp(derivation.meshIpv4(publicKey, nonce));
  const text = derivation.meshIpv6(publicKey);
  if (nonce === 0) return parseIp(text);
  const bytes = ipaddr.parse(text).toByteArray();
  const last = ((bytes[14] ?? 0) * 256 + (bytes[15] ?? 0) + nonce) & 0xffff;
  return parseIp(ipaddr.fromByteArray([...bytes.slice(0, 14), last >> 8, last & 255]).toString());
}

/** The nonce from 0 to `maxNonce` by which the key has the address; null when there is none. */
export function nonceOf(
  derivation: AddressDerivation,
  publicKey: PublicKey,
  address: IpAddress,
  maxNonce: number = MAX_NONCE,
): number | null {
  const family = address.includes(":") ? "ipv6" : "ipv4";
  for (let nonce = 0; nonce <= maxNonce; nonce += 1) {
    if (addressOf(derivation, publicKey, family, nonce) === address) return nonce;
  }
  return null;
}
