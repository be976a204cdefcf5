import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { PublicKey } from "../../../src/core/types.ts";
import type { Prover } from "../../../src/wire/proof.ts";

/** A prover whose agreed secrets follow from the two public keys: whoever plays by the rules has only those of its own key. */
export function testProver(ownKey: PublicKey): Prover {
  const prove = (peer: PublicKey, type: string, payload: Uint8Array): Buffer => {
    const agreed = createHash("sha256").update([ownKey, peer].sort().join(" ")).digest();
    return createHmac("sha256", agreed).update(`${type}\0`).update(payload).digest();
  };
  return {
    prove,
    verify: (peer, type, payload, proof) =>
      proof.length === 32 && timingSafeEqual(prove(peer, type, payload), proof),
  };
}
