import { sleep } from "../../../../src/core/clock.ts";
import type { Endpoint } from "../../../../src/core/types.ts";
import type { DhtEngine, DhtEngineStatus, DhtOpener } from "../../../../src/discovery/dht/engine.ts";
import type { DhtNodesStore } from "../../../../src/discovery/dht/nodesFile.ts";
import type { FakeClock } from "../fakeClock.ts";

/** The DHT of a test, and the engines that are open in it. */
export class MemoryDht {
  /** What was announced, by id. */
  readonly stored = new Map<string, Endpoint[]>();
  /** Every look-up and announcement, in order. */
  readonly asked: {
    readonly what: "lookup" | "announce";
    readonly infoHash: string;
    readonly atMs: number;
  }[] = [];
  /** With what each engine was opened. */
  readonly opened: (readonly Endpoint[])[] = [];
  /** False lets nobody answer. */
  isUp = true;
  answerMs = 40;
  openEngines = 0;
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  /** What a host at that address opens. */
  openerAt(host: string, publicHost = host): DhtOpener {
    return ({ bootstrap }) => {
      this.opened.push(bootstrap);
      this.openEngines += 1;
      return new MemoryEngine(this, this.#clock, publicHost);
    };
  }

  announced(infoHash: string): Endpoint[] {
    return this.stored.get(infoHash) ?? [];
  }

  note(what: "lookup" | "announce", infoHash: string): void {
    this.asked.push({ what, infoHash, atMs: this.#clock.monotonicMs() });
  }
}

class MemoryEngine implements DhtEngine {
  readonly #dht: MemoryDht;
  readonly #clock: FakeClock;
  readonly #host: string;
  readonly #closed = new AbortController();
  #nodes = 0;

  constructor(dht: MemoryDht, clock: FakeClock, host: string) {
    this.#dht = dht;
    this.#clock = clock;
    this.#host = host;
  }

  async lookup(infoHash: string, onPeers: (peers: readonly Endpoint[]) => void): Promise<void> {
    this.#dht.note("lookup", infoHash);
    const peers = this.#dht.announced(infoHash);
    await this.#answer();
    if (!this.#dht.isUp) return;
    this.#nodes = 8;
    if (peers.length > 0) onPeers(peers);
  }

  async announce(infoHash: string, port: number): Promise<void> {
    this.#dht.note("announce", infoHash);
    await this.#answer();
    if (!this.#dht.isUp) throw new Error("no node took it");
    const others = this.#dht.announced(infoHash).filter(({ host }) => host !== this.#host);
    this.#dht.stored.set(infoHash, [...others, { host: this.#host, port }]);
  }

  async nodes(): Promise<Uint8Array> {
    await this.#answer();
    const record = Buffer.alloc(38, 0xab);
    Buffer.from("00000000000000000000ffffc63364071ae1", "hex").copy(record, 20);
    return this.#dht.isUp ? record : new Uint8Array();
  }

  async status(): Promise<DhtEngineStatus> {
    return { nodes: this.#nodes, publicAddress: this.#nodes > 0 ? { host: this.#host, port: 40_000 } : null };
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort(new Error("closed"));
    this.#dht.openEngines -= 1;
  }

  #answer(): Promise<void> {
    return sleep(this.#clock, this.#dht.answerMs, this.#closed.signal);
  }
}

/** A file of nodes in memory. */
export class MemoryNodes implements DhtNodesStore {
  records: Uint8Array = new Uint8Array();
  writes = 0;

  async read(): Promise<Uint8Array> {
    return this.records;
  }

  async write(records: Uint8Array): Promise<void> {
    this.records = records;
    this.writes += 1;
  }
}
