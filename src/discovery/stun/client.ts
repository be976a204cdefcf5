/**
 * STUN transactions on one socket (RFC 8489 section 6.2.1): a request is sent again until its answer comes or its time is over.
 */
import type { Clock } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
import { TokenBucket } from "../../core/tokenBucket.ts";
import { type Endpoint, endpointText } from "../../core/types.ts";
import {
  type ChangeRequest,
  decodeMessage,
  encodeMessage,
  looksLikeStun,
  type StunMessage,
  TRANSACTION_ID_BYTES,
  transactionKey,
} from "./message.ts";

/** A UDP socket that others use too: the control socket, WireGuard's port, one of the test's own. */
export interface DatagramSocket {
  /** Sends one datagram; errors are the socket's business. */
  send(data: Uint8Array, to: Endpoint): void;
  /** Calls back for datagrams that may be STUN; sources canonical. The returned function ends that. */
  onDatagram(listener: (data: Buffer, from: Endpoint) => void): () => void;
}

export interface StunClientOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly socket: DatagramSocket;
  /** When to send, in milliseconds after the first; {@link SEND_AT_MS} unless told. */
  readonly sendAtMs?: readonly number[];
  /** {@link GIVE_UP_MS} unless told. */
  readonly giveUpMs?: number;
}

export type StunOutcome =
  | {
      readonly ok: true;
      /** Where the server saw the request come from. */
      readonly mapped: Endpoint;
      readonly otherAddress: Endpoint | null;
      /** From the first request to the answer, milliseconds. */
      readonly durationMs: number;
      /** Requests sent until then. */
      readonly requests: number;
    }
  | { readonly ok: false; readonly reason: string };

export interface RequestOptions {
  readonly change?: ChangeRequest;
  /** Where the answer has to come from; the server's own address unless told. */
  readonly answerFrom?: Endpoint;
}

/**
 * RFC 8489 begins with 500 ms, doubles, and waits 39.5 s. A path that takes longer than a second is none for a mesh, and what an
 * address was 10 s ago is of no use.
 */
export const SEND_AT_MS: readonly number[] = [0, 250, 750, 1_750];
export const GIVE_UP_MS = 3_000;

const MAX_OPEN = 64;
/** Datagrams looked at a second: far more than servers answer. */
const READ_RATE_PER_SECOND = 100;
const READ_BURST = 200;

interface Transaction {
  readonly server: string;
  readonly answerFrom: string;
  readonly startedAtMs: number;
  requests: number;
  finish(outcome: StunOutcome): void;
}

export class StunClient {
  readonly #options: StunClientOptions;
  readonly #open = new Map<string, Transaction>();
  readonly #reads: TokenBucket;
  readonly #unsubscribe: () => void;
  #closed = false;

  constructor(options: StunClientOptions) {
    this.#options = options;
    this.#reads = new TokenBucket(READ_RATE_PER_SECOND, READ_BURST, options.clock.monotonicMs());
    this.#unsubscribe = options.socket.onDatagram((data, from) => this.#receive(data, from));
  }

  /** Asks a server, an IP literal, where this socket is seen. Never rejects. */
  request(server: Endpoint, { change, answerFrom = server }: RequestOptions = {}): Promise<StunOutcome> {
    const { clock, random, socket, sendAtMs = SEND_AT_MS, giveUpMs = GIVE_UP_MS } = this.#options;
    if (this.#closed || this.#open.size >= MAX_OPEN) {
      return Promise.resolve({ ok: false, reason: this.#closed ? "closed" : "too many requests are open" });
    }
    const id = random.bytes(TRANSACTION_ID_BYTES);
    const message = encodeMessage("request", id, change === undefined ? {} : { changeRequest: change });
    const key = id.toString("latin1");
    return new Promise((resolve) => {
      const cancels: (() => void)[] = [];
      const transaction: Transaction = {
        server: endpointText(server),
        answerFrom: endpointText(answerFrom),
        startedAtMs: clock.monotonicMs(),
        requests: 0,
        finish: (outcome) => {
          for (const cancel of cancels) cancel();
          this.#open.delete(key);
          resolve(outcome);
        },
      };
      this.#open.set(key, transaction);
      const send = (): void => {
        transaction.requests += 1;
        socket.send(message, server);
      };
      for (const delayMs of sendAtMs) {
        if (delayMs === 0) send();
        else cancels.push(clock.after(delayMs, send));
      }
      cancels.push(clock.after(giveUpMs, () => transaction.finish({ ok: false, reason: "no answer" })));
    });
  }

  /** What is open ends without an answer. */
  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    for (const { finish } of [...this.#open.values()]) finish({ ok: false, reason: "closed" });
  }

  #receive(data: Buffer, from: Endpoint): void {
    // Strangers' datagrams end at these two lines: the id is 96 random bits.
    if (this.#open.size === 0 || !looksLikeStun(data)) return;
    const transaction = this.#open.get(transactionKey(data));
    if (transaction === undefined) return;
    const nowMs = this.#options.clock.monotonicMs();
    if (!this.#reads.take(nowMs)) return;
    const message = decodeMessage(data);
    // One that cannot be read may be forged; the server's own may still come.
    const outcome = message && outcomeOf(message, endpointText(from), transaction, nowMs);
    if (outcome !== null) transaction.finish(outcome);
  }
}

function outcomeOf(
  message: StunMessage,
  from: string,
  transaction: Transaction,
  nowMs: number,
): StunOutcome | null {
  const { mapped, otherAddress, error } = message;
  if (message.class === "error") {
    // That it answers from nowhere else a server says from where it was asked.
    if (from !== transaction.server) return null;
    return { ok: false, reason: error === null ? "error" : `error ${error.code}` };
  }
  if (message.class !== "success" || mapped === null || from !== transaction.answerFrom) return null;
  const durationMs = nowMs - transaction.startedAtMs;
  return { ok: true, mapped, otherAddress, durationMs, requests: transaction.requests };
}
