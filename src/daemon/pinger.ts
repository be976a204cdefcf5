/**
 * Measures the tunnels to single peers and remembers the newest round trip of each, for `wgmesh ping` and the peers view.
 */
import type { Clock } from "../core/clock.ts";
import { WgmeshError } from "../core/errors.ts";
import type { Gauge, Histogram, Metrics } from "../core/metrics.ts";
import type { PublicKey } from "../core/types.ts";
import { probePaths } from "../mesh/probe.ts";
import { type RoundTrip, roundTrip } from "../mesh/roundTrip.ts";
import type { LocalNode } from "../peers/localNode.ts";
import { MAX_PEERS, type PeerStore } from "../peers/store.ts";

export interface PingerOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly store: PeerStore;
  readonly self: LocalNode;
  /** Its port is another once the mesh has moved to a new secret. */
  readonly mesh: { readonly probePort: number };
}

/** What `wgmesh ping` waits for one answer: a handshake that was lost is tried again after 5 s, a ping in a second. */
const PING_TIMEOUT_MS = 3_000;

const byPeer = { peer_key: { atMost: MAX_PEERS } };
const BOUNDS_SECONDS = [0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 3];

export class Pinger {
  readonly #options: PingerOptions;
  readonly #latencies = new Map<PublicKey, number>();
  readonly #gauge: Gauge<typeof byPeer>;
  readonly #summary: Histogram<typeof byPeer>;

  constructor(options: PingerOptions) {
    const { metrics, store } = options;
    this.#options = options;
    this.#gauge = metrics.gauge("wgmesh_probe_rtt_seconds", "newest round trip through the tunnel", byPeer);
    this.#summary = metrics.histogram(
      "wgmesh_probe_rtt_summary_seconds",
      "round trips through the tunnel",
      BOUNDS_SECONDS,
      byPeer,
    );
    store.subscribe((event) => {
      if (event.type === "removed") this.#forget(event.peer.publicKey);
    });
  }

  /** Milliseconds of the newest answer; null for none yet. */
  latencyMs(publicKey: PublicKey): number | null {
    return this.#latencies.get(publicKey) ?? null;
  }

  /** One round trip, or null when no answer came in time. Rejects with ERR_PEER_UNKNOWN. */
  async ping(publicKey: PublicKey, timeoutMs: number = PING_TIMEOUT_MS): Promise<RoundTrip | null> {
    const { clock, mesh, self, store } = this.#options;
    const peer = store.get(publicKey);
    if (peer === undefined) throw new WgmeshError("ERR_PEER_UNKNOWN", `peer not found: ${publicKey}`);
    const answer = await roundTrip(probePaths(self.snapshot, peer), mesh.probePort, clock, timeoutMs);
    if (answer !== null && store.get(publicKey) !== undefined) this.#note(publicKey, answer.milliseconds);
    return answer;
  }

  #note(publicKey: PublicKey, milliseconds: number): void {
    this.#latencies.set(publicKey, milliseconds);
    this.#gauge.set(milliseconds / 1000, { peer_key: publicKey });
    this.#summary.observe(milliseconds / 1000, { peer_key: publicKey });
  }

  #forget(publicKey: PublicKey): void {
    this.#latencies.delete(publicKey);
    this.#gauge.remove({ peer_key: publicKey });
    this.#summary.remove({ peer_key: publicKey });
  }
}
