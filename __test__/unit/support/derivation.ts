import { createHash } from "node:crypto";
import type { AddressDerivation } from "../../../src/peers/addresses.ts";
import { cidr } from "./announcements.ts";

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** Addresses that follow from a key by another rule than the addon's, in the same networks' shapes. */
export const testDerivation: AddressDerivation = {
  meshIpv4(publicKey, nonce) {
    const hash = digest(`${publicKey}${nonce}`);
    return `10.8.${hash[0]}.${((hash[1] ?? 0) % 253) + 1}`;
  },
  meshIpv6(publicKey) {
    return `fd00:1:2:3::${((digest(publicKey).readUInt16BE(0) % 0xfffe) + 1).toString(16)}`;
  },
  meshSubnet: cidr("10.8.0.0/16"),
  meshIpv6Prefix: cidr("fd00:1:2:3::/64"),
};
