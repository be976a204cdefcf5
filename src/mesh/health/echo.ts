/**
 * The question to a peer as datagrams, between nodes of ours: three in place of a TCP connection's ten, since it is asked of every
 * peer all day. Pure: (datagram, now) -> what to send.
 *
 *   asker ── "ask a" ──► asked        a, b: 16 hexadecimal digits by chance
 *   asker ◄─ "yes a b" ─ asked        proves both directions to the asker,
 *   asker ── "seen b" ─► asked        and this to the one that was asked
 *
 * It goes to the UDP port of the same number as the probe listener's, from mesh address to mesh address. Who answers nothing is asked by the
 * line protocol of PROTOCOL.md section 11.2 next, as a Go node is from the start.
 */
import type { Random } from "../../core/random.ts";

const NONCE_BYTES = 8;
/** Drawn together: asking the system for chance costs more than the rest of a question. */
const DRAWN_BYTES = 64 * NONCE_BYTES;
const FORM = /^(?:ask ([0-9a-f]{16})|yes ([0-9a-f]{16}) ([0-9a-f]{16})|seen ([0-9a-f]{16}))\n$/;
/** The longest is a `yes`. */
export const MAX_ECHO_BYTES = 38;
/** Longer than an asker waits. More than that many at once are asked by the line protocol. */
const KEEP_MS = 5_000;
const MAX_OPEN = 1_024;

export interface EchoStep {
  /** To be sent back to where the datagram came from; null for nothing. */
  readonly reply: string | null;
  /** The one that sent it has answered our question, or has got our answer to its own. */
  readonly proof: "answered" | "asked" | null;
}

const NOTHING: EchoStep = { reply: null, proof: null };

/** Questions under way. Addresses are mesh addresses as text; times are monotonic milliseconds. */
export class Echo {
  readonly #random: Random;
  /** Drawn, and not used yet. */
  #chance: Buffer = Buffer.alloc(0);
  readonly #asked = new Open();
  readonly #told = new Open();

  constructor(random: Random) {
    this.#random = random;
  }

  /** The datagram that asks; null while too many questions are open. */
  ask(address: string, nowMs: number): string | null {
    const nonce = this.#nonce();
    return this.#asked.add(address, nonce, nowMs) ? `ask ${nonce}\n` : null;
  }

  /** Whatever is no part of a question under way is dropped. */
  received(text: string, from: string, nowMs: number): EchoStep {
    const [, asks, answered, theirs, seen] = FORM.exec(text) ?? [];
    if (asks !== undefined) {
      const nonce = this.#nonce();
      return this.#told.add(from, nonce, nowMs) ? { reply: `yes ${asks} ${nonce}\n`, proof: null } : NOTHING;
    }
    if (answered !== undefined) {
      return this.#asked.take(from, answered) ? { reply: `seen ${theirs}\n`, proof: "answered" } : NOTHING;
    }
    return seen !== undefined && this.#told.take(from, seen) ? { reply: null, proof: "asked" } : NOTHING;
  }

  #nonce(): string {
    if (this.#chance.length < NONCE_BYTES) this.#chance = this.#random.bytes(DRAWN_BYTES);
    const nonce = this.#chance.subarray(0, NONCE_BYTES).toString("hex");
    this.#chance = this.#chance.subarray(NONCE_BYTES);
    return nonce;
  }
}

/** One nonce an address, the newest. */
class Open {
  readonly #nonces = new Map<string, { readonly nonce: string; readonly atMs: number }>();

  add(address: string, nonce: string, nowMs: number): boolean {
    this.#nonces.delete(address);
    for (const [oldest, { atMs }] of this.#nonces) {
      if (nowMs - atMs < KEEP_MS) break;
      this.#nonces.delete(oldest);
    }
    if (this.#nonces.size >= MAX_OPEN) return false;
    this.#nonces.set(address, { nonce, atMs: nowMs });
    return true;
  }

  take(address: string, nonce: string): boolean {
    if (this.#nonces.get(address)?.nonce !== nonce) return false;
    return this.#nonces.delete(address);
  }
}
