/**
 * When a peer is to be spoken to again. The Go peer forgets whoever it did not hear for five minutes, whatever the tunnel
 * does (weak point 18). Pure: time comes in as an argument.
 */
import type { PublicKey } from "../core/types.ts";

/** A word in either direction refreshes both sides, so this counts from the last one. */
const CONNECTED_MS = 240_000;
/**
 * Nodes of ours need no word while the tunnel lives, and in-mesh gossip passes on what is new. So each costs us at most one HELLO
 * in this time for each of them: with 1,000 peers 25 a minute in place of 290.
 */
const CONNECTED_MS_PER_PEER = 2_400;
/** A peer without a handshake may have moved, or not have heard of us. */
const UNCONNECTED_MS = 30_000;
/** Nodes that started together must not speak together for ever: each pair draws from 75 to 95 % of the time. */
const LEAST_SHARE = 0.75;
const SHARE_RANGE = 0.2;

interface Contact {
  readonly share: number;
  /** Last time the peer spoke to us, or we to it; null for never. */
  lastAtMs: number | null;
  /** Last HELLO of the peer. */
  helloAtMs: number | null;
  unanswered: number;
  /** The peer's clock in its newest word, Unix seconds. */
  wordSeconds: number;
}

export class RefreshPlan {
  readonly #contacts = new Map<PublicKey, Contact>();
  readonly #unit: () => number;

  /** `unit` gives chance from 0 to 1. */
  constructor(unit: () => number) {
    this.#unit = unit;
  }

  /** The peer spoke to us. */
  heard(publicKey: PublicKey, hello: boolean, wordSeconds: number, nowMs: number): void {
    const contact = this.#contact(publicKey);
    contact.lastAtMs = nowMs;
    if (hello) contact.helloAtMs = nowMs;
    contact.unanswered = 0;
    this.word(publicKey, wordSeconds);
  }

  /** Notes the peer's clock in a word of its own, Unix seconds. */
  word(publicKey: PublicKey, seconds: number): void {
    const contact = this.#contact(publicKey);
    contact.wordSeconds = Math.max(contact.wordSeconds, seconds);
  }

  /** A HELLO goes out. */
  tried(publicKey: PublicKey, nowMs: number): void {
    this.#contact(publicKey).lastAtMs = nowMs;
  }

  /**
   * A tunnel to the peer has come up. True when it is to be spoken to now: HELLOs that went unanswered fell into the time in which it
   * could not be reached, and it may know nothing of this run of ours.
   */
  reached(publicKey: PublicKey): boolean {
    const contact = this.#contacts.get(publicKey);
    if (!contact || contact.unanswered === 0) return false;
    contact.lastAtMs = null;
    return true;
  }

  unanswered(publicKey: PublicKey): void {
    const contact = this.#contacts.get(publicKey);
    if (contact) contact.unanswered += 1;
  }

  /** HELLOs in a row without an answer. */
  silence(publicKey: PublicKey): number {
    return this.#contacts.get(publicKey)?.unanswered ?? 0;
  }

  forget(publicKey: PublicKey): void {
    this.#contacts.delete(publicKey);
  }

  /**
   * True when it is time for a HELLO: at once for a peer never spoken with. `peersOfOurs`: how many nodes of ours are known when
   * this is one of them, else 0.
   */
  isDue(publicKey: PublicKey, connected: boolean, nowMs: number, peersOfOurs = 0): boolean {
    const contact = this.#contacts.get(publicKey);
    if (!contact || contact.lastAtMs === null) return true;
    const { unanswered, share } = contact;
    const restMs = Math.max(CONNECTED_MS, CONNECTED_MS_PER_PEER * peersOfOurs);
    // A tunnel carries no word of ours: who did not answer is asked again as long as it may not have heard.
    const connectedMs = unanswered === 0 ? restMs : Math.min(restMs, UNCONNECTED_MS * 2 ** (unanswered - 1));
    const intervalMs = connected
      ? connectedMs
      : Math.min(CONNECTED_MS, UNCONNECTED_MS * 2 ** Math.min(unanswered, 3));
    return nowMs - contact.lastAtMs >= intervalMs * share;
  }

  /** When the peer's last HELLO came, -Infinity for never. */
  lastHelloAtMs(publicKey: PublicKey): number {
    return this.#contacts.get(publicKey)?.helloAtMs ?? Number.NEGATIVE_INFINITY;
  }

  /** The peer's clock in its newest word, Unix seconds; 0 for never. */
  lastWordSeconds(publicKey: PublicKey): number {
    return this.#contacts.get(publicKey)?.wordSeconds ?? 0;
  }

  #contact(publicKey: PublicKey): Contact {
    let contact = this.#contacts.get(publicKey);
    if (!contact) {
      const share = LEAST_SHARE + this.#unit() * SHARE_RANGE;
      contact = { share, lastAtMs: null, helloAtMs: null, unanswered: 0, wordSeconds: 0 };
      this.#contacts.set(publicKey, contact);
    }
    return contact;
  }
}
