/**
 * How many strangers at one address get WireGuard's attention at a time. An entry without a tunnel sends a handshake initiation every
 * 5 s to wherever its announcement says it is, and any member can invent a thousand keys that all point at a victim. Who was let in stays for the turn, so that names that come and go
 * do not each cause an initiation.
 */
import type { PublicKey } from "../core/types.ts";
import { isConnected } from "../peers/connected.ts";
import type { Peer } from "../peers/peer.ts";

/** Six or seven initiations a second; a network of many nodes behind one address connects that many at a time. */
export const MAX_STRANGERS_AT_ADDRESS = 32;
/** Then it is the next ones' turn: a handshake is tried six times in it. */
export const TURN_MS = 30_000;

/** Who comes in a turn in place of others that went: a member that invents names faster must wait for the next turn. */
const MAX_IN_TURN = 2 * MAX_STRANGERS_AT_ADDRESS;

/** Peers without a tunnel that are all said to be at one address. */
export interface Crowd {
  readonly host: string;
  readonly strangers: number;
  /** How many of them wait for their turn. */
  readonly waiting: number;
}

/** Remembers whose turn it is. */
export class Crowds {
  /** Where somebody waits, as of the last look. */
  waiting: readonly Crowd[] = [];
  #turn = Number.NaN;
  /** Those who were let in during this turn, by host, but those who have a tunnel now. */
  readonly #letIn = new Map<string, Set<PublicKey>>();

  /**
   * The peers to leave out for now. Who has a tunnel is no stranger. `hostOf` tells where the peer's entry would point to, null for
   * nowhere, or for a socket of our own. `nowMs` is Unix time.
   */
  leftOut(
    peers: readonly Peer[],
    hostOf: (peer: Peer) => string | null,
    nowMs: number,
  ): ReadonlySet<PublicKey> {
    const turn = Math.floor(nowMs / TURN_MS);
    if (turn !== this.#turn) this.#letIn.clear();
    this.#turn = turn;
    const out = new Set<PublicKey>();
    const waiting: Crowd[] = [];
    for (const [host, crowd] of this.#crowds(peers, hostOf, nowMs)) {
      const letIn = this.#letIn.get(host) ?? new Set();
      this.#letIn.set(host, letIn);
      let places = MAX_STRANGERS_AT_ADDRESS - crowd.filter((publicKey) => letIn.has(publicKey)).length;
      for (const publicKey of inTurn(crowd, turn)) {
        if (letIn.has(publicKey)) continue;
        if (places > 0 && letIn.size < MAX_IN_TURN) {
          letIn.add(publicKey);
          places -= 1;
        } else out.add(publicKey);
      }
      const left = crowd.filter((publicKey) => out.has(publicKey)).length;
      if (left > 0) waiting.push({ host, strangers: crowd.length, waiting: left });
    }
    this.waiting = waiting;
    return out;
  }

  #crowds(
    peers: readonly Peer[],
    hostOf: (peer: Peer) => string | null,
    nowMs: number,
  ): ReadonlyMap<string, PublicKey[]> {
    const crowds = new Map<string, PublicKey[]>();
    for (const peer of peers) {
      const host = hostOf(peer);
      if (host === null) continue;
      if (isConnected(peer.lastHandshakeMs, nowMs)) {
        this.#letIn.get(host)?.delete(peer.publicKey);
        continue;
      }
      const crowd = crowds.get(host);
      if (crowd === undefined) crowds.set(host, [peer.publicKey]);
      else crowd.push(peer.publicKey);
    }
    return crowds;
  }
}

/** For the operator. */
export const crowdText = ({ host, strangers, waiting }: Crowd): string =>
  `${strangers} peers without a tunnel are said to be at ${host}: ${waiting} of them wait for their turn`;

/** In the order of the keys, begun elsewhere in each turn. */
function inTurn(crowd: PublicKey[], turn: number): PublicKey[] {
  if (crowd.length <= MAX_STRANGERS_AT_ADDRESS) return crowd;
  crowd.sort();
  const first = (turn * MAX_STRANGERS_AT_ADDRESS) % crowd.length;
  return [...crowd.slice(first), ...crowd.slice(0, first)];
}
