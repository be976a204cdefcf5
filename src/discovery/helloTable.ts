/**
 * The HELLOs that wait for their REPLY (PROTOCOL.md section 6.1): one per address, the same sealed bytes sent again and
 * again, which also punches a hole through NATs. Pure: time comes in as an argument.
 */
import { DueTimes } from "../core/dueTimes.ts";
import { type Endpoint, endpointText, type PublicKey } from "../core/types.ts";

/** When the datagram goes out, counted from the first time. The Go peer's 100 ms would spend its own limiter (weak point 33). */
const SEND_AT_MS = [0, 200, 500, 1000, 2000, 3000] as const;
/** Where there are many to ask: one datagram opens our NAT for the other's, the second makes up for a loss. */
const SEND_BRIEFLY_AT_MS = [0, 1000] as const;
/** What a HELLO costs that nobody answers. */
export const DATAGRAMS_OF_HELLO = { full: SEND_AT_MS.length, brief: SEND_BRIEFLY_AT_MS.length } as const;
const GIVE_UP_MS = 4000;
/** So much later than it was due, and how long it is put off then. */
const STALL_MS = 60;
const PUT_OFF_MS = 30;
/** HELLOs open at once; more wait for their turn elsewhere. */
const MAX_OPEN = 2048;

/** Why a HELLO is sent decides as what its answer is stored. */
export type HelloReason = "dht" | "static" | "lan";

export interface OpenHello {
  readonly to: Endpoint;
  /** Who is expected there; null when only the address is known. */
  readonly publicKey: PublicKey | null;
  readonly reason: HelloReason;
  readonly datagram: Buffer;
  readonly openedAtMs: number;
  /** Sent twice in place of six times. */
  readonly brief: boolean;
}

interface Entry {
  readonly hello: OpenHello;
  /** Index into the schedule of the next send. */
  sends: number;
  /** What is due has been put off once. */
  isPutOff: boolean;
}

export class HelloTable {
  readonly #open = new Map<string, Entry>();
  readonly #due = new DueTimes<string>();
  readonly #once: boolean;

  /** `once`: one send, then only waiting (`--no-punching`). */
  constructor(once: boolean) {
    this.#once = once;
  }

  has(to: Endpoint): boolean {
    return this.#open.has(endpointText(to));
  }

  get size(): number {
    return this.#open.size;
  }

  get full(): boolean {
    return this.#open.size >= MAX_OPEN;
  }

  /** The caller has checked `has` and `full`. */
  open(hello: OpenHello): void {
    const text = endpointText(hello.to);
    const entry = { hello, sends: 0, isPutOff: false };
    this.#open.set(text, entry);
    this.#due.set(text, this.#dueAtMs(entry));
  }

  /** The HELLO that a REPLY from exactly this address answers; it is closed by that. */
  close(from: Endpoint): OpenHello | null {
    const text = endpointText(from);
    const entry = this.#open.get(text);
    this.#delete(text);
    return entry?.hello ?? null;
  }

  /** Forgets what is open towards a peer that has left. */
  forget(publicKey: PublicKey): void {
    for (const [text, { hello }] of this.#open) if (hello.publicKey === publicKey) this.#delete(text);
  }

  clear(): void {
    this.#open.clear();
    this.#due.clear();
  }

  /** What is to be sent now, and what nobody answered; the latter is closed. */
  tick(nowMs: number): { readonly send: OpenHello[]; readonly unanswered: OpenHello[] } {
    const send: OpenHello[] = [];
    const unanswered: OpenHello[] = [];
    if ((this.nextAtMs() ?? Number.POSITIVE_INFINITY) > nowMs) return { send, unanswered };
    for (const [text, entry] of this.#open) {
      const { openedAtMs } = entry.hello;
      // The machine was busy, and the answer may be in what waits to be read: that has its turn first.
      if (entry.sends > 0 && !entry.isPutOff && nowMs - this.#dueAtMs(entry) >= STALL_MS) {
        entry.isPutOff = true;
        this.#due.set(text, nowMs + PUT_OFF_MS);
        continue;
      }
      if (this.#dueAtMs(entry) <= nowMs) entry.isPutOff = false;
      // The same sums as in nextAtMs: a difference could round to just under, and never be due.
      if (openedAtMs + GIVE_UP_MS <= nowMs) {
        this.#delete(text);
        unanswered.push(entry.hello);
        continue;
      }
      const before = entry.sends;
      while (openedAtMs + this.#sendAfterMs(entry) <= nowMs) entry.sends += 1;
      // After a stall several sends are due; one is enough.
      if (entry.sends > before) send.push(entry.hello);
      this.#due.set(text, this.#dueAtMs(entry));
    }
    return { send, unanswered };
  }

  /** When `tick` has work next; null when nothing is open. */
  nextAtMs(): number | null {
    return this.#due.nextAtMs();
  }

  #delete(text: string): void {
    this.#open.delete(text);
    this.#due.delete(text);
  }

  #dueAtMs(entry: Entry): number {
    return entry.hello.openedAtMs + this.#sendAfterMs(entry);
  }

  /** When its next datagram is due, counted from its opening; its end when there is none. */
  #sendAfterMs({ hello, sends }: Entry): number {
    if (this.#once && sends > 0) return GIVE_UP_MS;
    return (hello.brief ? SEND_BRIEFLY_AT_MS : SEND_AT_MS)[sends] ?? GIVE_UP_MS;
  }
}
