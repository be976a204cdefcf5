/**
 * Notices soon that a peer we send to has gone silent: a router between may have started anew, with another address. WireGuard by
 * itself needs 15 s to doubt, and a handshake counts for three minutes.
 */
import { type Clock, sleep } from "../core/clock.ts";
import type { PublicKey } from "../core/types.ts";
import { isConnected } from "../peers/connected.ts";
import type { ActualPeer } from "../wireguard/backend.ts";

/** Reading a thousand peers takes the kernel tens of milliseconds. */
const FEW_PEERS = 100;
/** While something is sent. Else the reconciler's readings do. */
const LOOK_EVERY_MS = 1_500;
/** Answers take their time, but on no path that is of use this long. */
const SILENT_MS = 2_500;
/** Two pings, and more than keepalives and a handshake: those alone are no reason to expect an answer at once. */
const SENT_BYTES = 200;
/** A keepalive and less than a ping: whoever sends no more between two looks has nothing to say. */
const LITTLE_BYTES = 64;

export type Traffic = Pick<ActualPeer, "publicKey" | "rxBytes" | "txBytes" | "lastHandshakeMs">;

interface Seen {
  readonly rxBytes: number;
  readonly txBytes: number;
  /** When nothing had been sent yet that is unanswered, and what had been sent until then. */
  readonly quietAtMs: number;
  readonly quietTxBytes: number;
}

/** What a look showed. */
export interface Look {
  /** The connected peers that were sent to for a while and gave nothing back. */
  readonly silent: readonly PublicKey[];
  /** Something is being sent to a connected peer: it is worth looking again soon. */
  readonly busy: boolean;
}

/** Pure. */
export class Silence {
  #seen = new Map<PublicKey, Seen>();

  look(peers: readonly Traffic[], nowMs: number, wallMs: number): Look {
    const silent: PublicKey[] = [];
    const seen = new Map<PublicKey, Seen>();
    let busy = false;
    for (const { publicKey, rxBytes, txBytes, lastHandshakeMs } of peers) {
      if (!isConnected(lastHandshakeMs, wallMs)) continue;
      const before = this.#seen.get(publicKey);
      const heard = before === undefined || rxBytes !== before.rxBytes || txBytes < before.txBytes;
      const waits = !heard && txBytes > before.quietTxBytes;
      const now = waits
        ? { ...before, txBytes }
        : { rxBytes, txBytes, quietAtMs: nowMs, quietTxBytes: txBytes };
      seen.set(publicKey, now);
      const isSilent = nowMs - now.quietAtMs >= SILENT_MS && txBytes - now.quietTxBytes >= SENT_BYTES;
      if (isSilent) silent.push(publicKey);
      if (before !== undefined && txBytes - before.txBytes > LITTLE_BYTES) busy = true;
    }
    this.#seen = seen;
    return { silent, busy };
  }
}

export interface SilenceWatchOptions {
  readonly clock: Clock;
  read(): Promise<readonly Traffic[]>;
  silent(peers: readonly PublicKey[]): void;
}

export class SilenceWatch {
  readonly #options: SilenceWatchOptions;
  readonly #silence = new Silence();
  #busy = false;
  #wake: (() => void) | null = null;

  constructor(options: SilenceWatchOptions) {
    this.#options = options;
  }

  /** Takes what somebody else has read; while nothing is sent, nothing else is looked at. */
  noted(peers: readonly Traffic[]): void {
    const { clock, silent } = this.#options;
    const look = this.#silence.look(peers, clock.monotonicMs(), clock.wallMs());
    this.#busy = look.busy && peers.length <= FEW_PEERS;
    if (this.#busy) this.#wake?.();
    if (look.silent.length > 0) silent(look.silent);
  }

  /** The body of its task. Rejects with what `read` rejects with. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, read } = this.#options;
    while (!signal.aborted) {
      if (!this.#busy) await this.#untilBusy(signal);
      await sleep(clock, LOOK_EVERY_MS, signal).catch(() => {});
      if (signal.aborted) return;
      this.noted(await read());
    }
  }

  #untilBusy(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener("abort", done);
        this.#wake = null;
        resolve();
      };
      if (signal.aborted) return done();
      signal.addEventListener("abort", done, { once: true });
      this.#wake = done;
    });
  }
}
