/**
 * Keys, addresses and sealing of a simulated mesh: cheap twins, since nobody in it attacks. A member's address follows from its
 * number, so that no two clash unless a scenario wants them to.
 */
import { createHash } from "node:crypto";
import { type Cidr, type PublicKey, parsePublicKey } from "../../../src/core/types.ts";
import type { AddressDerivation } from "../../../src/peers/addresses.ts";
import type { Prover } from "../../../src/wire/proof.ts";
import type { Sealer } from "../../../src/wire/sealer.ts";

const TAG = Buffer.from("of this mesh 16b");
const HOSTS_A_NET = 250;

/** The public key of a member; its number can be read from it. */
export function memberKey(index: number): PublicKey {
  const bytes = createHash("sha256").update(`member ${index}`).digest();
  bytes.writeUInt32BE(index, 0);
  const key = parsePublicKey(bytes.toString("base64"));
  if (key === null) throw new Error(`no key for member ${index}`);
  return key;
}

const indices = new Map<PublicKey, number>();

export function indexOf(publicKey: PublicKey): number {
  const known = indices.get(publicKey);
  if (known !== undefined) return known;
  const index = Buffer.from(publicKey.slice(0, 8), "base64").readUInt32BE(0);
  indices.set(publicKey, index);
  return index;
}

/** Members whose numbers differ by `clashEvery` derive the same first IPv4 address; 0 for none. */
export function meshAddresses(clashEvery = 0): AddressDerivation {
  return {
    meshSubnet: "10.77.0.0/16" as Cidr,
    meshIpv6Prefix: "fd00:77::/64" as Cidr,
    meshIpv4(publicKey, nonce) {
      const index = indexOf(publicKey);
      const first = clashEvery === 0 ? index : index % clashEvery;
      const place = nonce === 0 ? first : HOSTS_A_NET * 100 + index;
      return `10.77.${Math.floor(place / HOSTS_A_NET)}.${1 + (place % HOSTS_A_NET)}`;
    },
    meshIpv6(publicKey) {
      return `fd00:77::${(indexOf(publicKey) + 1).toString(16)}`;
    },
  };
}

/** Seals nothing: the text, and the tag of the mesh. */
export const memberSealer: Sealer = {
  seal: (_nonce, plaintext) => Buffer.concat([plaintext, TAG]),
  open(_nonce, ciphertext) {
    const split = ciphertext.length - TAG.length;
    const sealed = Buffer.from(ciphertext.buffer, ciphertext.byteOffset, ciphertext.length);
    return split >= 0 && sealed.subarray(split).equals(TAG) ? sealed.subarray(0, split) : null;
  },
};

/** Proofs that depend on both keys, the type and every byte, as the replay cache expects of them. */
export function memberProver(own: PublicKey): Prover {
  const prove = (peer: PublicKey, type: string, payload: Uint8Array): Buffer => {
    const proof = Buffer.alloc(32);
    let hash = Math.imul(indexOf(own) + indexOf(peer) + 1, 0x9e3779b1) ^ type.length;
    let other = Math.imul(indexOf(own) ^ indexOf(peer), 0x85ebca6b) + type.charCodeAt(0);
    for (const byte of payload) {
      hash = Math.imul(hash ^ byte, 0x01000193);
      other = (Math.imul(other, 31) + byte) | 0;
    }
    proof.writeInt32LE(hash, 0);
    proof.writeInt32LE(other, 4);
    return proof;
  };
  return { prove, verify: (peer, type, payload, proof) => prove(peer, type, payload).equals(proof) };
}
