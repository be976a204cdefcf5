/**
 * What becomes of a GOODBYE. One that proves its sender counts at once. Any member can write another, so a tunnel that works
 * outweighs it (row D10, weak point 1): the peer is probed at once, and only when that fails has it really left.
 */
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import { Pacemaker } from "../core/pacemaker.ts";
import type { PublicKey } from "../core/types.ts";
import { isConnected } from "../peers/connected.ts";
import type { PeerStore } from "../peers/store.ts";
import type { Goodbye } from "../wire/types.ts";
import type { Counters } from "./counters.ts";
import type { ReceivedGoodbye } from "./inbound.ts";

export interface GoodbyeJudgeOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly store: PeerStore;
  readonly counters: Counters;
  /** True when the peer answers through the tunnel. */
  probe(publicKey: PublicKey): Promise<boolean>;
  /** The peer's clock in its newest word, Unix seconds; 0 for never. */
  lastWordSeconds(publicKey: PublicKey): number;
}

/** A stream of forged GOODBYEs costs at most one probe in this time; the last of them is still looked at. */
const PROBE_AGAIN_MS = 5_000;

interface Doubt {
  goodbye: Goodbye;
  /** When to probe; null while a probe runs, and after one that was answered. */
  probeAtMs: number | null;
  lastProbeAtMs: number;
}

export class GoodbyeJudge {
  readonly #options: GoodbyeJudgeOptions;
  readonly #doubts = new Map<PublicKey, Doubt>();
  readonly #probes = new Set<Promise<void>>();
  readonly #pacemaker: Pacemaker;

  constructor(options: GoodbyeJudgeOptions) {
    this.#options = options;
    this.#pacemaker = new Pacemaker(options.clock, {
      nextAtMs: () => this.#nextAtMs(),
      act: (nowMs) => this.#act(nowMs),
    });
  }

  /** Takes a GOODBYE that passed the receive path. */
  receive({ goodbye, proven }: ReceivedGoodbye): void {
    const { clock, counters, store, lastWordSeconds } = this.#options;
    const { publicKey, timestampSeconds } = goodbye;
    counters.add("goodbyes");
    const peer = store.get(publicKey);
    // Older than the peer's newest word: it has come back since.
    if (!peer || timestampSeconds < lastWordSeconds(publicKey)) return;
    if (proven || !isConnected(peer.lastHandshakeMs, clock.wallMs())) {
      this.#believe(goodbye);
      return;
    }
    const doubt = this.#doubts.get(publicKey);
    if (!doubt) {
      const nowMs = clock.monotonicMs();
      this.#doubts.set(publicKey, { goodbye, probeAtMs: nowMs, lastProbeAtMs: Number.NEGATIVE_INFINITY });
    } else {
      doubt.goodbye = goodbye;
      doubt.probeAtMs ??= doubt.lastProbeAtMs + PROBE_AGAIN_MS;
    }
    this.#pacemaker.wake();
  }

  /** The body of its task; ends when the signal fires and the probes under way are done. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#pacemaker.run(signal);
    await Promise.all(this.#probes);
  }

  #act(nowMs: number): void {
    for (const [publicKey, doubt] of this.#doubts) {
      if (doubt.probeAtMs === null) {
        if (doubt.lastProbeAtMs + PROBE_AGAIN_MS <= nowMs) this.#doubts.delete(publicKey);
      } else if (doubt.probeAtMs <= nowMs) {
        doubt.probeAtMs = null;
        doubt.lastProbeAtMs = nowMs;
        const probe = this.#probe(doubt.goodbye).finally(() => this.#probes.delete(probe));
        this.#probes.add(probe);
      }
    }
  }

  #nextAtMs(): number | null {
    let next: number | null = null;
    for (const { probeAtMs, lastProbeAtMs } of this.#doubts.values()) {
      const atMs = probeAtMs ?? lastProbeAtMs + PROBE_AGAIN_MS;
      if (next === null || atMs < next) next = atMs;
    }
    return next;
  }

  async #probe(goodbye: Goodbye): Promise<void> {
    const { counters, log, probe } = this.#options;
    const answers = await probe(goodbye.publicKey).catch(() => false);
    if (answers) {
      counters.add("goodbyesDoubted");
      log.debug({ peer: goodbye.publicKey }, "goodbye not believed, the peer answers");
    } else {
      this.#believe(goodbye);
    }
  }

  #believe({ publicKey, timestampSeconds }: Goodbye): void {
    const { counters, log, store } = this.#options;
    this.#doubts.delete(publicKey);
    counters.add("left");
    log.info({ peer: publicKey }, "peer said goodbye");
    store.remove(publicKey, "goodbye", timestampSeconds);
  }
}
