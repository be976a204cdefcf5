import type { Endpoint } from "../../../src/core/types.ts";
import type {
  Bridge,
  BridgeOptions,
  RelayLimits,
  RelayPlane,
  RelayServer,
  RelayServerOptions,
  SessionState,
} from "../../../src/discovery/relay/plane.ts";
import type { FakeClock } from "./fakeClock.ts";

interface MemorySession {
  readonly tokens: readonly [string, string];
  readonly ends: [MemoryBridge | null, MemoryBridge | null];
  bytes: number;
  packets: number;
  dropped: number;
  atMs: number;
}

/** What may become of a frame: passed on, lost, or handled by a liar. */
type Fate = (data: Buffer, from: MemoryBridge) => "pass" | "lose";

class MemoryServer implements RelayServer {
  readonly sessionsById = new Map<string, MemorySession>();
  options: RelayServerOptions;
  readonly port: number;
  readonly #world: RelayWorld;
  readonly #host: string;

  constructor(world: RelayWorld, host: string, options: RelayServerOptions) {
    this.#world = world;
    this.#host = host;
    this.options = options;
    this.port = options.port === 0 ? 40_000 : options.port;
  }

  addSession(id: string, [first, second]: readonly [Buffer, Buffer]): void {
    const tokens = [first.toString("hex"), second.toString("hex")] as const;
    const atMs = this.#world.clock.monotonicMs();
    this.#world.sessionsMade.push(this.#host);
    const counts = { bytes: 0, packets: 0, dropped: 0 };
    this.sessionsById.set(id, { tokens, ends: [null, null], ...counts, atMs });
  }

  removeSession(id: string): void {
    this.sessionsById.delete(id);
  }

  setLimits(limits: RelayLimits): void {
    this.options = { ...this.options, ...limits };
  }

  sessions(): SessionState[] {
    const nowMs = this.#world.clock.monotonicMs();
    return [...this.sessionsById].map(([id, { bytes, packets, dropped, atMs }]) => {
      return { id, bytes, packets, dropped, idleMs: nowMs - atMs };
    });
  }

  close(): void {
    this.#world.servers.delete(`${this.#host}:${this.port}`);
  }

  /** A frame from a bridge. */
  frame(token: string, data: Buffer, from: MemoryBridge): void {
    for (const session of this.sessionsById.values()) {
      const end = session.tokens.indexOf(token);
      if (end < 0) continue;
      session.atMs = this.#world.clock.monotonicMs();
      session.ends[end] = from;
      const to = session.ends[1 - end];
      if (to == null || this.#world.fateOf.get(this.#host)?.(data, from) === "lose") {
        session.dropped += 1;
        return;
      }
      session.packets += 1;
      session.bytes += data.length;
      to.arrive(data);
    }
  }
}

export class MemoryBridge implements Bridge {
  readonly endpoint: Endpoint;
  readonly options: BridgeOptions;
  readonly host: string;
  delivers = false;
  open = true;
  rxPackets = 0;
  txPackets = 0;
  readonly #world: RelayWorld;

  constructor(world: RelayWorld, host: string, port: number, options: BridgeOptions) {
    this.#world = world;
    this.host = host;
    this.endpoint = { host: "127.0.0.1", port };
    this.options = options;
  }

  send(data: Uint8Array): void {
    this.#frame(Buffer.from(data));
  }

  deliver(on: boolean): void {
    this.delivers = on;
  }

  traffic(): { rxPackets: number; txPackets: number } {
    return { rxPackets: this.rxPackets, txPackets: this.txPackets };
  }

  close(): void {
    this.open = false;
    this.#world.bridges.delete(this);
  }

  /** A packet of WireGuard's. */
  packet(): void {
    this.txPackets += 1;
    this.#frame(Buffer.from([4, 0, 0, 0, 1, 2, 3, 4]));
  }

  arrive(data: Buffer): void {
    if (!this.open) return;
    if (data[0] !== 4) this.options.onDatagram(data);
    else if (this.delivers) this.rxPackets += 1;
  }

  #frame(data: Buffer): void {
    const { relay, token } = this.options;
    this.#world.clock.after(1, () => {
      if (!this.open) return;
      this.#world.servers.get(`${relay.host}:${relay.port}`)?.frame(token.toString("hex"), data, this);
    });
  }
}

/** Data planes in memory: what one node's bridge sends, another's relay passes on. */
export class RelayWorld {
  readonly clock: FakeClock;
  readonly servers = new Map<string, MemoryServer>();
  readonly bridges = new Set<MemoryBridge>();
  /** What relays do with the frames of a host's relay, other than passing them on. */
  readonly fateOf = new Map<string, Fate>();
  /** The host of the relay, for each session. */
  readonly sessionsMade: string[] = [];
  #nextPort = 50_000;

  constructor(clock: FakeClock) {
    this.clock = clock;
  }

  plane(host: string): RelayPlane {
    return {
      empties: false,
      openBridge: (options) => {
        const bridge = new MemoryBridge(this, host, this.#nextPort++, options);
        this.bridges.add(bridge);
        return bridge;
      },
      openServer: (options) => {
        const server = new MemoryServer(this, host, options);
        this.servers.set(`${host}:${server.port}`, server);
        return server;
      },
    };
  }

  /** The bridges of one host, the oldest first. */
  of(host: string): MemoryBridge[] {
    return [...this.bridges].filter((bridge) => bridge.host === host);
  }

  /** How many sessions a host's relay gave. */
  openedBy(host: string): number {
    return this.sessionsMade.filter((made) => made === host).length;
  }

  server(host: string): MemoryServer | undefined {
    return [...this.servers].find(([address]) => address.startsWith(`${host}:`))?.[1];
  }
}
