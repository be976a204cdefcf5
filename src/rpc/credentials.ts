/**
 * The files of the TCP listeners: a certificate with its key, and the tokens of those who may call.
 */
import { messageOf, WgmeshError } from "../core/errors.ts";
import { readSteeringFile } from "../core/files.ts";
import { Tokens } from "./tokens.ts";

export interface CredentialPaths {
  /** PEM files; null for plain TCP. */
  readonly certificate: { readonly certPath: string; readonly keyPath: string } | null;
  readonly tokensPath: string | null;
}

/** What a reload changes: all of it, read and checked, or nothing. */
export interface Credentials {
  readonly tokens: Tokens | null;
  readonly secure: { readonly cert: string; readonly key: string } | null;
}

/** Rejects with ERR_STATE_* for a file that is missing or not to be trusted, ERR_RELOAD for one that cannot be used. */
export async function readCredentials({ certificate, tokensPath }: CredentialPaths): Promise<Credentials> {
  const tokens = tokensPath === null ? null : await Tokens.read(tokensPath);
  if (certificate === null) return { tokens, secure: null };
  const { certPath, keyPath } = certificate;
  const secure = { cert: await readPem(certPath), key: await readPem(keyPath, true) };
  // Only now: most daemons have no certificate, and TLS costs their start 8 ms and 2 MiB.
  const { createSecureContext } = await import("node:tls");
  try {
    createSecureContext(secure);
  } catch (cause) {
    throw new WgmeshError("ERR_RELOAD", `${certPath} and ${keyPath}: ${messageOf(cause)}`, {
      cause,
      hint: "give a certificate and its key as PEM",
    });
  }
  return { tokens, secure };
}

async function readPem(path: string, secret = false): Promise<string> {
  const text = await readSteeringFile(path, { secret });
  if (text === null) throw new WgmeshError("ERR_STATE_UNREADABLE", `${path} does not exist`);
  return text;
}
