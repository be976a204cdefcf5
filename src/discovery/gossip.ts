/**
 * In-mesh gossip (row D5, PROTOCOL.md section 6.2): now and then one random peer is told, through the tunnel, what is true of us
 * and of a few others, news first. So whatever one node knows reaches all, without multicast, DHT or a server.
 *
 * With `--gossip` it keeps the Go peer's pace and speaks to Go peers too. Otherwise it speaks to nodes of ours, at that pace while
 * there is news and ever more rarely when there is none. With `--no-gossip` it listens only. The pace may change while it runs.
 */
import { BEAT_MS, nextBeatMs } from "../core/beat.ts";
import type { Clock } from "../core/clock.ts";
import type { Counter, Metrics } from "../core/metrics.ts";
import { Pacemaker } from "../core/pacemaker.ts";
import type { Random } from "../core/random.ts";
import type { Endpoint } from "../core/types.ts";
import { isConnected } from "../peers/connected.ts";
import type { Peer, PeerEvent } from "../peers/peer.ts";
import type { PeerStore } from "../peers/store.ts";
import type { Announcer } from "./announcer.ts";
import { companion, isOurs } from "./companion.ts";
import { Rumours } from "./rumours.ts";
import type { GossipPace, LayerStatus } from "./seams.ts";

export interface GossipOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: PeerStore;
  readonly announcer: Announcer;
  readonly metrics: Metrics;
  readonly gossipPort: number;
  /** `steady` with `--gossip`, `off` with `--no-gossip`. */
  readonly pace: GossipPace;
  /** A node that names no other to anybody (`--privacy`): its calm gossip would have nothing to tell. */
  readonly namesNobody: boolean;
  send(data: Uint8Array, to: Endpoint): void;
}

/** PROTOCOL.md section 12. */
const ROUND_MS = 10_000;
/** Without news the pause doubles up to this many times: 160 s, so that an idle mesh stays quiet. */
const MAX_DOUBLINGS = 4;
/** Nodes that started together must not speak together for ever: each pause is this share shorter or longer. */
const JITTER = 0.2;

/** What others would be told of a peer. */
const TOLD = ["endpoint", "meshIp", "meshIpv6", "hostname", "natType", "introducer", "instance"] as const;

/** Changes when a tunnel comes up or ceases. */
const MET = ["lastHandshakeMs"] as const;

export class Gossip {
  readonly #options: GossipOptions;
  readonly #rumours = new Rumours();
  readonly #pacemaker: Pacemaker;
  readonly #rounds: Counter<Record<never, never>>;
  #wanted: GossipPace;
  #quietRounds = 0;
  #nextAtMs: number;
  #spoken = 0;

  constructor(options: GossipOptions) {
    const { clock, metrics, pace } = options;
    this.#options = options;
    this.#wanted = pace;
    this.#rounds = metrics.counter("wgmesh_gossip_messages_total", "messages of in-mesh gossip sent");
    metrics.reading(
      "wgmesh_gossip_news",
      "peers of which in-mesh gossip has news to tell",
      () => this.#rumours.size,
    );
    this.#nextAtMs = this.#afterPause(clock.monotonicMs());
    this.#pacemaker = new Pacemaker(clock, {
      nextAtMs: () => (this.#pace === "off" ? null : this.#nextAtMs),
      act: (nowMs) => this.#round(nowMs),
    });
  }

  /** The body of its task. */
  async run(signal: AbortSignal): Promise<void> {
    const unsubscribe = this.#options.store.subscribe((event) => this.#changed(event));
    try {
      await this.#pacemaker.run(signal);
    } finally {
      unsubscribe();
      this.#rumours.clear();
    }
  }

  setPace(pace: GossipPace): void {
    if (pace === this.#wanted) return;
    this.#wanted = pace;
    this.#quietRounds = 0;
    this.#nextAtMs = this.#afterPause(this.#options.clock.monotonicMs());
    if (this.#pace === "off") this.#rumours.clear();
    this.#pacemaker.wake();
  }

  status(): LayerStatus {
    if (this.#pace === "off") {
      const detail = this.#wanted === "off" ? "--no-gossip" : "--privacy";
      return { name: "gossip", state: "off", detail, lastError: null };
    }
    const pace = this.#pace === "steady" ? "every 10 s" : `every ${Math.round(this.#baseMs() / 1000)} s`;
    return {
      name: "gossip",
      state: "running",
      detail: `${pace}, ${this.#spoken} messages sent`,
      lastError: null,
    };
  }

  get #pace(): GossipPace {
    return this.#wanted === "calm" && this.#options.namesNobody ? "off" : this.#wanted;
  }

  #changed(event: PeerEvent): void {
    if (this.#pace === "off") return;
    const { publicKey } = event.peer;
    if (event.type === "removed") {
      this.#rumours.forget(publicKey);
      return;
    }
    const { clock, store } = this.#options;
    if (store.isCrowded) {
      // Among many that may be invented, only what has a tunnel is news: from when it comes up.
      if (!isConnected(event.peer.lastHandshakeMs, clock.wallMs())) return;
      if (event.type === "updated" && ![...TOLD, ...MET].some((field) => event.changed.has(field))) return;
    } else if (event.type === "updated" && !TOLD.some((field) => event.changed.has(field))) return;
    this.#rumours.add(publicKey, store.size);
    this.#quietRounds = 0;
    this.#nextAtMs = Math.min(this.#nextAtMs, this.#afterPause(clock.monotonicMs()));
    this.#pacemaker.wake();
  }

  #round(nowMs: number): void {
    const { announcer, gossipPort } = this.#options;
    const target = this.#target();
    let toldNews = false;
    if (target !== null && target.meshIp !== null) {
      const datagram = announcer.gossip(target.publicKey, this.#rumours.inOrder(), (told) => {
        toldNews = told.length > 0;
        for (const publicKey of told) this.#rumours.told(publicKey);
      });
      this.#options.send(datagram, { host: target.meshIp, port: gossipPort });
      this.#rounds.add(1);
      this.#spoken += 1;
    }
    this.#quietRounds = toldNews ? 0 : this.#quietRounds + 1;
    this.#nextAtMs = this.#afterPause(nowMs);
  }

  /** A random peer whose tunnel works: to another the message would only wait in its queue. */
  #target(): Peer | null {
    const accepts = (peer: Peer): boolean =>
      peer.meshIp !== null && (this.#pace === "steady" || isOurs(peer));
    return companion(this.#options, accepts);
  }

  #baseMs(): number {
    return this.#pace === "steady" ? ROUND_MS : ROUND_MS * 2 ** Math.min(this.#quietRounds, MAX_DOUBLINGS);
  }

  /** The Go peer's pace is kept; else it speaks when the process is awake anyhow. */
  #afterPause(nowMs: number): number {
    const atMs = nowMs + this.#pauseMs();
    return this.#pace === "steady" ? atMs : nextBeatMs(atMs, BEAT_MS / 2);
  }

  #pauseMs(): number {
    return this.#baseMs() * (1 - JITTER + 2 * JITTER * this.#options.random.unit());
  }
}
