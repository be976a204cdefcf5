/** WireGuard refuses to use a session older than this (its REJECT_AFTER_TIME), so a newer handshake means a live tunnel. */
export const SESSION_LIFETIME_MS = 180_000;

/**
 * Whether a handshake at `lastHandshakeMs` (Unix ms, 0 for never) is still in force. A handshake that seems to lie in
 * the future means that the wall clock was set back since: it counts while the jump is smaller than a session's life.
 */
export function isConnected(lastHandshakeMs: number, nowMs: number): boolean {
  return lastHandshakeMs > 0 && Math.abs(nowMs - lastHandshakeMs) < SESSION_LIFETIME_MS;
}
