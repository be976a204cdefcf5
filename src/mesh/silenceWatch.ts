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
const LOOK_EVERY_MS = 1_500;
const LOOK_SELDOM_MS = 5_000;
/** Answers take their time, but on no path that is of use this long. */
const SILENT_MS = 2_500;
/** Two pings, and more than keepalives and a handshake: those alone are no reason to expect an answer at once. */
const SENT_BYTES = 200;

export type Traffic = Pick<ActualPeer, "publicKey" | "rxBytes" | "txBytes" | "lastHandshakeMs">;

interface Seen {
  readonly rxBytes: number;
  readonly txBytes: number;
  /** When nothing had been sent yet that is unanswered, and what had been sent until then. */
  readonly quietAtMs: number;
  readonly quietTxBytes: number;
}

/** Pure. */
export class Silence {
  #seen = new Map<PublicKey, Seen>();

  /** The connected peers that were sent to for a while and gave nothing back. */
  look(peers: readonly Traffic[], nowMs: number, wallMs: number): PublicKey[] {
    const silent: PublicKey[] = [];
    const seen = new Map<PublicKey, Seen>();
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
    }
    this.#seen = seen;
    return silent;
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

  constructor(options: SilenceWatchOptions) {
    this.#options = options;
  }

  /** The body of its task. Rejects with what `read` rejects with. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, read, silent } = this.#options;
    let pauseMs = LOOK_EVERY_MS;
    while (!signal.aborted) {
      await sleep(clock, pauseMs, signal).catch(() => {});
      if (signal.aborted) return;
      const peers = await read();
      pauseMs = peers.length > FEW_PEERS ? LOOK_SELDOM_MS : LOOK_EVERY_MS;
      const found = this.#silence.look(peers, clock.monotonicMs(), clock.wallMs());
      if (found.length > 0) silent(found);
    }
  }
}
