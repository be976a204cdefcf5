/**
 * Notices within about a second that a peer which has a network that others advertise too does not answer, so that one of them can take
 * over (row E3: within 2 s). Silence of other peers has more time (silenceWatch.ts).
 *
 * Looked at is what is sent: who sends nothing there misses nothing. A peer that got something and gave nothing back is asked
 * through the tunnel, three times at most, since one datagram may be lost, and who only listens owes no answer.
 */
import type { Clock } from "../core/clock.ts";
import { Pacemaker } from "../core/pacemaker.ts";
import type { PublicKey } from "../core/types.ts";
import type { Traffic } from "./silenceWatch.ts";

/** While some network could go to another peer. */
const LOOK_EVERY_MS = 250;
/** A reading of a thousand peers takes the kernel tens of milliseconds. */
const MANY_PEERS = 100;
const LOOK_AT_MANY_EVERY_MS = 1_000;
/** A keepalive and less than a ping. */
const LITTLE_BYTES = 64;
const MAX_ASKED = 3;
/** From the first look that saw something unanswered; answers on paths that are of use come sooner. */
const FAILED_MS = 700;

interface Seen {
  readonly rxBytes: number;
  /** What had been sent when something was received last. */
  readonly quietTxBytes: number;
  /** Monotonic; null when nothing is outstanding. */
  readonly waitsSinceMs: number | null;
  readonly asked: number;
}

export interface HolderLook {
  /** To be sent something that they have to answer. */
  readonly ask: readonly PublicKey[];
  /** They did not answer; named at each look while they do not. */
  readonly failed: readonly PublicKey[];
  readonly heard: readonly PublicKey[];
}

/** Pure. */
export class Holders {
  #seen = new Map<PublicKey, Seen>();

  /** @param watched others are forgotten. @param nowMs monotonic */
  look(peers: readonly Traffic[], watched: ReadonlySet<PublicKey>, nowMs: number): HolderLook {
    const ask: PublicKey[] = [];
    const failed: PublicKey[] = [];
    const heard: PublicKey[] = [];
    const seen = new Map<PublicKey, Seen>();
    for (const { publicKey, rxBytes, txBytes } of peers) {
      if (!watched.has(publicKey)) continue;
      const before = this.#seen.get(publicKey);
      if (before === undefined || rxBytes !== before.rxBytes || txBytes < before.quietTxBytes) {
        if (before !== undefined && rxBytes > before.rxBytes) heard.push(publicKey);
        seen.set(publicKey, { rxBytes, quietTxBytes: txBytes, waitsSinceMs: null, asked: 0 });
        continue;
      }
      const waits = before.waitsSinceMs !== null || txBytes - before.quietTxBytes > LITTLE_BYTES;
      const waitsSinceMs = waits ? (before.waitsSinceMs ?? nowMs) : null;
      const asks = waits && before.asked < MAX_ASKED;
      if (asks) ask.push(publicKey);
      else if (waitsSinceMs !== null && nowMs - waitsSinceMs >= FAILED_MS) failed.push(publicKey);
      seen.set(publicKey, { ...before, waitsSinceMs, asked: before.asked + Number(asks) });
    }
    this.#seen = seen;
    return { ask, failed, heard };
  }

  get isWaiting(): boolean {
    return [...this.#seen.values()].some(({ waitsSinceMs }) => waitsSinceMs !== null);
  }
}

export interface HolderWatchOptions {
  readonly clock: Clock;
  /** Peers that have what another would take over, and those that lost it lately. */
  watched(): ReadonlySet<PublicKey>;
  read(): Promise<readonly Traffic[]>;
  /** What the interface has sent, bytes; null where that cannot be had for next to nothing. */
  sentBytes(): number | null;
  ask(publicKey: PublicKey): void;
  failed(publicKey: PublicKey): void;
  heard(publicKey: PublicKey): void;
}

export class HolderWatch {
  readonly #options: HolderWatchOptions;
  readonly #holders = new Holders();
  readonly #pacemaker: Pacemaker;
  #everyMs = LOOK_EVERY_MS;
  #nextLookMs = 0;
  #sentBefore: number | null = null;

  constructor(options: HolderWatchOptions) {
    this.#options = options;
    this.#pacemaker = new Pacemaker(options.clock, {
      nextAtMs: () => (options.watched().size === 0 ? null : this.#nextLookMs),
      act: () => this.#act(),
    });
  }

  /** Some peer is to be watched now, or none any more. */
  changed(): void {
    this.#pacemaker.wake();
  }

  /** The body of its task. Rejects with what `read` rejects with. */
  run(signal: AbortSignal): Promise<void> {
    return this.#pacemaker.run(signal);
  }

  async #act(): Promise<void> {
    const { clock, read, sentBytes } = this.#options;
    const sent = sentBytes();
    if (sent === null || sent !== this.#sentBefore || this.#holders.isWaiting) {
      const peers = await read();
      this.#sentBefore = sent;
      this.#everyMs = peers.length > MANY_PEERS ? LOOK_AT_MANY_EVERY_MS : LOOK_EVERY_MS;
      this.#look(peers);
    }
    this.#nextLookMs = clock.monotonicMs() + this.#everyMs;
  }

  #look(peers: readonly Traffic[]): void {
    const { clock, watched, ask, failed, heard } = this.#options;
    const look = this.#holders.look(peers, watched(), clock.monotonicMs());
    for (const publicKey of look.heard) heard(publicKey);
    for (const publicKey of look.ask) ask(publicKey);
    for (const publicKey of look.failed) failed(publicKey);
  }
}
