import { generateKeyPairSync, randomBytes } from "node:crypto";

/** Key text as wg(8) writes it: 32 bytes in base64. */
export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** As DER, whose last 32 bytes are the key: while a key object is exported as JWK, Node.js 20 may wait for itself for ever. */
export function newKeyPair(): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync("x25519", {
    privateKeyEncoding: { type: "pkcs8", format: "der" },
    publicKeyEncoding: { type: "spki", format: "der" },
  });
  const text = (der: Buffer): string => der.subarray(-32).toString("base64");
  return { privateKey: text(privateKey), publicKey: text(publicKey) };
}

export const newPresharedKey = (): string => randomBytes(32).toString("base64");
