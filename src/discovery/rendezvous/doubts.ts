/**
 * Peers whose path may be gone though their session is young: one side has moved to other addresses, or the other side looks for us. A
 * session says nothing about the last three minutes. Pure: times come in as arguments.
 */
import type { PublicKey } from "../../core/types.ts";
import type { LocalNodeSnapshot } from "../../peers/localNode.ts";
import type { Peer } from "../../peers/peer.ts";

/** The other side may still be at what made this session. */
const FRESH_MS = 2_500;
/** By then WireGuard itself has noticed (its REKEY_AFTER_TIME and attempts). */
const DOUBT_MS = 150_000;

interface Doubt {
  /** Unix ms: a handshake after it ends the doubt. */
  readonly sinceMs: number;
  /** Monotonic. */
  readonly untilMs: number;
}

export interface Now {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

export class Doubts {
  /** As many as the store holds peers: they leave with them. */
  readonly #doubts = new Map<PublicKey, Doubt>();

  has(publicKey: PublicKey): boolean {
    return this.#doubts.has(publicKey);
  }

  keys(): PublicKey[] {
    return [...this.#doubts.keys()];
  }

  forget(publicKey: PublicKey): void {
    this.#doubts.delete(publicKey);
  }

  /** True when that is news. `moved`: this node has other addresses, which spoils the youngest session too. */
  add({ publicKey, lastHandshakeMs }: Peer, moved: boolean, { wallMs, monotonicMs }: Now): boolean {
    if (this.#doubts.has(publicKey) || (!moved && wallMs - lastHandshakeMs < FRESH_MS)) return false;
    this.#doubts.set(publicKey, { sinceMs: wallMs, untilMs: monotonicMs + DOUBT_MS });
    return true;
  }

  /** Whether the doubt still holds. */
  holds({ publicKey, lastHandshakeMs }: Peer, { monotonicMs }: Now): boolean {
    const doubt = this.#doubts.get(publicKey);
    if (doubt === undefined) return false;
    const holds = lastHandshakeMs <= doubt.sinceMs && monotonicMs < doubt.untilMs;
    if (!holds) this.#doubts.delete(publicKey);
    return holds;
  }
}

/** Where our WireGuard is seen from outside, null while nobody has told. */
export function outsideText({
  externalHost,
  externalWireguardPort,
  natType,
}: LocalNodeSnapshot): string | null {
  if (externalHost === null) return null;
  // The port of a symmetric NAT says nothing, and differs from one server to the next.
  return natType === "symmetric" ? externalHost : `${externalHost} ${externalWireguardPort}`;
}
