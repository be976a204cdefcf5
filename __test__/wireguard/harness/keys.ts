import { generateKeyPairSync, randomBytes } from "node:crypto";

/** Key text as wg(8) writes it: 32 bytes in base64. */
export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

export function newKeyPair(): KeyPair {
  const { d, x } = generateKeyPairSync("x25519").privateKey.export({ format: "jwk" });
  const text = (part: string | undefined): string => Buffer.from(part ?? "", "base64url").toString("base64");
  return { privateKey: text(d), publicKey: text(x) };
}

export const newPresharedKey = (): string => randomBytes(32).toString("base64");
