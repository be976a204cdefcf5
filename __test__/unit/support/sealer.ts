import { createCipheriv, createDecipheriv } from "node:crypto";
import type { Sealer } from "../../../src/wire/sealer.ts";

const TAG_BYTES = 16;

/** AES-256-GCM by Node's own library: an independent twin of the addon's sealer. */
export function testSealer(keyHex: string): Sealer {
  const key = Buffer.from(keyHex, "hex");
  return {
    seal(nonce, plaintext) {
      const cipher = createCipheriv("aes-256-gcm", key, nonce);
      return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    },
    open(nonce, ciphertext) {
      const split = ciphertext.length - TAG_BYTES;
      const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
      decipher.setAuthTag(ciphertext.subarray(split));
      try {
        return Buffer.concat([decipher.update(ciphertext.subarray(0, split)), decipher.final()]);
      } catch {
        return null;
      }
    },
  };
}
