/**
 * What members of a mesh sign with its membership key (PROTOCOL.md section 13); the key stays in the addon.
 *
 * A token is HMAC-SHA256 over the sender's key text and the hour. The Go peer defines it and sends none: ours is the member `token` of
 * HELLO, REPLY and ANNOUNCE, which others ignore. Who sends none is a Go peer; who sends a wrong one is not listened to.
 */
import type { PublicKey } from "../core/types.ts";

export interface Membership {
  /** 32 bytes; `hour` is {@link hourOf}. */
  token(key: PublicKey, hour: number): Uint8Array;
  /** True for the token of the hour, the one before or the one after. */
  isToken(key: PublicKey, token: Uint8Array, hour: number): boolean;
}

const HOUR_MS = 3_600_000;

/** Whole hours since 1970, of Unix time in milliseconds. */
export const hourOf = (nowMs: number): number => Math.floor(nowMs / HOUR_MS);
