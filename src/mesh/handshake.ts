/**
 * When to make WireGuard try again at once. Pure: (state, peers, now) -> (state, whom to retrigger).
 *
 * WireGuard repeats a lost initiation only after 5 s (its REKEY_TIMEOUT), and an initiation that reaches a side which does
 * not know us yet is lost. So a peer that is known to have added us and still has no session is removed and added again,
 * which starts a handshake at once. The same goes for a peer whose daemon was restarted: our old session with it is dead,
 * but our WireGuard goes on using it for up to 3 minutes.
 */
import type { PublicKey } from "../core/types.ts";
import { isConnected } from "../peers/connected.ts";

/** The two sides wait for different times, so that their attempts never cross: the lower key goes first. */
const FIRST_RETRY_MS = 300;
const HIGHER_KEY_EXTRA_MS = 600;
/** A restarted peer normally initiates by itself within a round trip. */
const RESTART_GRACE_MS = 400;
/** A handshake this long before we noticed a restart belongs to the new run: no process restarts faster. */
const RESTART_NOTICE_LAG_MS = 250;
const BACKOFF_FIRST_MS = 1_000;
const BACKOFF_MAX_MS = 60_000;

/** What is looked at of one peer on the interface. Times are Unix milliseconds, 0 for never. */
export interface HandshakePeer {
  readonly publicKey: PublicKey;
  /** False when there is nowhere to send an initiation to. */
  readonly hasEndpoint: boolean;
  readonly knowsUs: boolean;
  readonly instance: string;
  readonly lastSeenMs: number;
  readonly lastHandshakeMs: number;
}

interface Wait {
  /** A handshake after this (Unix ms) ends the wait. */
  readonly newerThanMs: number;
  /** When to act, monotonic. */
  readonly dueMs: number;
  readonly attempts: number;
  /** Unix ms of the last attempt: only a peer that has spoken since is worth another one. */
  readonly triedAtMs: number;
}

interface Watched {
  readonly instance: string;
  readonly wait: Wait | null;
}

export type HandshakeState = ReadonlyMap<PublicKey, Watched>;

export interface Now {
  /** Unix time in milliseconds. */
  readonly wallMs: number;
  readonly monotonicMs: number;
}

export interface HandshakeStep {
  readonly state: HandshakeState;
  readonly retrigger: readonly PublicKey[];
  /** Monotonic time at which the next attempt is due, or null. */
  readonly wakeAtMs: number | null;
}

/** Peers that are not listed any more are forgotten. */
export function stepHandshakes(
  state: HandshakeState,
  peers: readonly HandshakePeer[],
  ownKey: PublicKey,
  now: Now,
): HandshakeStep {
  const next = new Map<PublicKey, Watched>();
  const retrigger: PublicKey[] = [];
  let wakeAtMs: number | null = null;

  for (const peer of peers) {
    const extraMs = ownKey < peer.publicKey ? 0 : HIGHER_KEY_EXTRA_MS;
    let wait = currentWait(state.get(peer.publicKey), peer, extraMs, now);
    if (wait !== null && wait.dueMs <= now.monotonicMs && worthAnAttempt(wait, peer)) {
      retrigger.push(peer.publicKey);
      const pauseMs = Math.min(BACKOFF_FIRST_MS * 2 ** wait.attempts, BACKOFF_MAX_MS) + extraMs;
      wait = {
        ...wait,
        dueMs: now.monotonicMs + pauseMs,
        attempts: wait.attempts + 1,
        triedAtMs: now.wallMs,
      };
    }
    if (wait !== null && wait.dueMs > now.monotonicMs)
      wakeAtMs = Math.min(wakeAtMs ?? wait.dueMs, wait.dueMs);
    next.set(peer.publicKey, { instance: peer.instance, wait });
  }
  return { state: next, retrigger, wakeAtMs };
}

/** The wait that goes on, begins or ends with this observation. */
function currentWait(
  before: Watched | undefined,
  peer: HandshakePeer,
  extraMs: number,
  now: Now,
): Wait | null {
  if (
    before !== undefined &&
    before.instance !== "" &&
    peer.instance !== "" &&
    before.instance !== peer.instance
  ) {
    const newerThanMs = now.wallMs - RESTART_NOTICE_LAG_MS;
    if (peer.lastHandshakeMs > newerThanMs) return null;
    return { newerThanMs, dueMs: now.monotonicMs + RESTART_GRACE_MS + extraMs, attempts: 0, triedAtMs: 0 };
  }
  const wait = before?.wait ?? null;
  if (wait !== null) return peer.lastHandshakeMs > wait.newerThanMs ? null : wait;
  if (!peer.knowsUs || isConnected(peer.lastHandshakeMs, now.wallMs)) return null;
  return {
    newerThanMs: peer.lastHandshakeMs,
    dueMs: now.monotonicMs + FIRST_RETRY_MS + extraMs,
    attempts: 0,
    triedAtMs: 0,
  };
}

function worthAnAttempt(wait: Wait, peer: HandshakePeer): boolean {
  return peer.hasEndpoint && (wait.attempts === 0 || peer.lastSeenMs > wait.triedAtMs);
}
