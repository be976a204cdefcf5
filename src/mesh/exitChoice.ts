/**
 * Which peer `--exit-node` means, and whether it may be used (row E3). Pure, but for the memory of whom a name meant.
 */
import type { PublicKey } from "../core/types.ts";
import { isConnected } from "../peers/connected.ts";
import type { Peer } from "../peers/peer.ts";

/** A shorter beginning of a key could be a name. */
const MIN_KEY_LENGTH = 6;

export interface ChosenExit {
  /** Who has our way to the Internet now; null for nobody. */
  readonly publicKey: PublicKey | null;
  /** Why nobody has, what follows "exit node X"; null when somebody has, or nobody is meant to. */
  readonly reason: string | null;
}

const NOBODY: ChosenExit = { publicKey: null, reason: null };

/**
 * A key or an address means one peer. A name means the peer that had it when it was first seen: any member can take any name,
 * and would have our traffic.
 */
export class ExitChoice {
  #wanted: string | null;
  #pinned: PublicKey | null = null;

  constructor(wanted: string | null) {
    this.#wanted = wanted;
  }

  /** True when it is another than before. */
  want(wanted: string | null): boolean {
    if (wanted === this.#wanted) return false;
    this.#wanted = wanted;
    this.#pinned = null;
    return true;
  }

  get wanted(): string | null {
    return this.#wanted;
  }

  /**
   * @param nowMs Unix time
   * @param isLost true for who has not answered for so long that it is looked for elsewhere (row E4); its session may still count.
   */
  choose(
    peers: readonly Peer[],
    nowMs: number,
    isLost: (publicKey: PublicKey) => boolean = () => false,
  ): ChosenExit {
    const wanted = this.#wanted;
    if (wanted === null) return NOBODY;
    const meant = peers.filter((peer) =>
      this.#pinned === null ? isMeant(peer, wanted) : peer.publicKey === this.#pinned,
    );
    const [peer, second] = meant;
    if (peer === undefined) return refused("is not known now");
    if (second !== undefined) return refused("is the name of several peers: write a key");
    // Who does not prove its key, or offers nothing, is not remembered: nothing went there.
    if (!peer.proven) return refused("has not proved its key");
    if (!peer.exitNode) return refused("does not offer to be one (--advertise-exit-node)");
    this.#pinned = peer.publicKey;
    if (!isConnected(peer.lastHandshakeMs, nowMs)) return refused("has no tunnel to this node");
    if (isLost(peer.publicKey)) return refused("does not answer");
    return { publicKey: peer.publicKey, reason: null };
  }
}

function isMeant(peer: Peer, wanted: string): boolean {
  const name = wanted.toLowerCase();
  return (
    (wanted.length >= MIN_KEY_LENGTH && peer.publicKey.startsWith(wanted)) ||
    peer.meshIp === name ||
    peer.meshIpv6 === name ||
    peer.hostname.toLowerCase() === name
  );
}

const refused = (reason: string): ChosenExit => ({ publicKey: null, reason });
