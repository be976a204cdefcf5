import { sleep } from "../../../src/core/clock.ts";
import type { Random } from "../../../src/core/random.ts";
import type { Endpoint } from "../../../src/core/types.ts";
import type { DhtEngine } from "../../../src/discovery/dht/engine.ts";
import type { DhtOptions } from "../../../src/discovery/dht/options.ts";
import type { EventQueue } from "./eventQueue.ts";
import type { Host } from "./network.ts";
import type { NodeClock } from "./nodeClock.ts";

const ANSWER_MS = 120;
const KEPT_MS = 30 * 60_000;
/** Nodes of the DHT answer with so many at most, drawn anew each time. */
const MOST_TOLD = 50;

interface Announced {
  readonly endpoint: Endpoint;
  readonly untilMs: number;
}

/** A DHT that stands outside the simulated mesh and never fails; only hosts of group 0 reach it. */
export class SimDht {
  readonly #queue: EventQueue;
  readonly #random: Random;
  /** By id, then by the announcer's address. */
  readonly #stored = new Map<string, Map<string, Announced>>();

  constructor(queue: EventQueue, random: Random) {
    this.#queue = queue;
    this.#random = random;
  }

  optionsFor(host: Host, clock: NodeClock): DhtOptions {
    return {
      open: () => new SimEngine(this, host, clock),
      port: 0,
      infoHash: (hour) => `hour ${hour}`,
      bootstrap: [{ host: "198.51.100.1", port: 6881 }],
      resolve: () => Promise.reject(new Error("no such name")),
      hasRoute: () => host.plugged && host.group === 0,
      nodes: { read: async () => new Uint8Array(), write: async () => {} },
    };
  }

  announce(infoHash: string, endpoint: Endpoint): void {
    const announced = this.#stored.get(infoHash) ?? new Map<string, Announced>();
    announced.set(endpoint.host, { endpoint, untilMs: this.#queue.nowMs + KEPT_MS });
    this.#stored.set(infoHash, announced);
  }

  lookup(infoHash: string): Endpoint[] {
    const { nowMs } = this.#queue;
    const all = [...(this.#stored.get(infoHash)?.values() ?? [])].filter(({ untilMs }) => untilMs > nowMs);
    while (all.length > MOST_TOLD) all.splice(Math.floor(this.#random.unit() * all.length), 1);
    return all.map(({ endpoint }) => endpoint);
  }
}

class SimEngine implements DhtEngine {
  readonly #dht: SimDht;
  readonly #host: Host;
  readonly #clock: NodeClock;
  readonly #closed = new AbortController();
  #nodes = 0;

  constructor(dht: SimDht, host: Host, clock: NodeClock) {
    this.#dht = dht;
    this.#host = host;
    this.#clock = clock;
  }

  async lookup(infoHash: string, onPeers: (peers: readonly Endpoint[]) => void): Promise<void> {
    if (!(await this.#answers())) return;
    const peers = this.#dht.lookup(infoHash);
    if (peers.length > 0) onPeers(peers);
  }

  async announce(infoHash: string, port: number): Promise<void> {
    if (!(await this.#answers())) throw new Error("no node took it");
    this.#dht.announce(infoHash, { host: this.#host.ip, port });
  }

  async nodes(): Promise<Uint8Array> {
    await this.#answers();
    return new Uint8Array();
  }

  async status() {
    const publicAddress = { host: this.#host.ip, port: 40_000 };
    return { nodes: this.#nodes, publicAddress: this.#nodes > 0 ? publicAddress : null };
  }

  async close(): Promise<void> {
    this.#closed.abort(new Error("closed"));
  }

  async #answers(): Promise<boolean> {
    await sleep(this.#clock, ANSWER_MS, this.#closed.signal);
    this.#nodes = this.#host.plugged && this.#host.group === 0 ? 8 : 0;
    return this.#nodes > 0;
  }
}
