/**
 * A node of the simulated Internet: its discovery is real down to the sockets, its WireGuard is a model of what counts here: an
 * initiation goes to the endpoint, is answered to where it came from, and makes a session of both sides.
 */
import type { Endpoint, PublicKey } from "../../../../src/core/types.ts";
import type { DhtOptions } from "../../../../src/discovery/dht/options.ts";
import type { ManySocketsRequest } from "../../../../src/discovery/rendezvous/birthday.ts";
import type { PathReport } from "../../../../src/peers/paths.ts";
import type { DatagramListener, WireguardPort } from "../../../../src/wireguard/wireguardPort.ts";
import { seededRandom } from "../../support/seededRandom.ts";
import { type MemoryDht, MemoryNodes } from "../dht/memoryDht.ts";
import type { FakeClock } from "../fakeClock.ts";
import { GOSSIP_PORT, TestNode } from "../memoryMesh.ts";
import { MemoryNetwork } from "../memoryNetwork.ts";
import type { Kind, NatNetwork } from "./natNetwork.ts";

const WG_PORT = 51_820;
/** WireGuard's REKEY_TIMEOUT. */
const RETRY_MS = 5_000;

export interface NatNodeOptions {
  readonly kind: Kind;
  /** Nodes it is told of by `--peer`. */
  readonly peers?: readonly string[];
  readonly stun?: boolean;
  readonly seed?: string;
  readonly noPunching?: boolean;
  /** A DHT in which it looks for others. */
  readonly dht?: MemoryDht;
}

export class NatNode {
  readonly node: TestNode;
  readonly publicIp: string;
  /** Where its WireGuard sends to. */
  readonly endpoints = new Map<PublicKey, Endpoint>();
  readonly #clock: FakeClock;
  readonly #network: NatNetwork;
  readonly #name: string;
  readonly #listeners = new Set<DatagramListener>();
  readonly #socket: { send: (data: Uint8Array, to: Endpoint) => void };
  readonly #bridges = new Map<number, (data: Buffer) => void>();
  readonly #handshakes = new Map<PublicKey, number>();
  /** What was last written to the interface. */
  readonly #aimed = new Map<PublicKey, Endpoint>();
  readonly #heardAtMs = new Map<PublicKey, number>();
  readonly #answers = new Map<PublicKey, number>();
  #nextBridge = 60_000;

  constructor(clock: FakeClock, network: NatNetwork, name: string, options: NatNodeOptions) {
    this.#clock = clock;
    this.#network = network;
    this.#name = name;
    this.publicIp = network.addHost(name, options.kind);
    this.#socket = network.open(name, WG_PORT, (data, from) => this.#receive(data, from));
    const wireguardPort: WireguardPort = {
      send: (data, to) => this.#socket.send(data, to),
      onDatagram: (listener) => {
        this.#listeners.add(listener);
        return () => void this.#listeners.delete(listener);
      },
    };
    // The LAN of the test node is not used: all goes through this Internet.
    this.node = new TestNode(
      clock,
      new MemoryNetwork({ clock, unit: () => 0 }),
      name,
      network.insideOf(name),
      {
        bind: network.factory(name),
        lan: false,
        wireguardPort,
        noPunching: options.noPunching ?? false,
        openManySockets: (request) => this.#openMany(request),
        tunnelEndpoint: (publicKey) => this.endpoints.get(publicKey) ?? null,
        stunServers: options.stun === false ? [] : network.stunServers,
        staticPeers: (options.peers ?? []).map((host) => ({ host, port: null })),
        random: seededRandom(`${name} ${options.seed ?? ""}`),
        ...(options.dht ? { dht: dhtOptions(options.dht, this.publicIp) } : {}),
      },
    );
    this.node.store.subscribe((event) => {
      if (event.type !== "removed" && event.changed.has("endpoint")) this.#aim(event.peer.publicKey);
    });
    const { paths } = this.node.context;
    paths.subscribe((publicKey) => this.#aim(publicKey));
    paths.onReport((report) => this.#relay(report));
  }

  /** A relay, as the punching sees it: it takes over when punching failed, and gives way to a path that stays. */
  #relay(report: PathReport): void {
    const { publicKey } = report;
    const { paths } = this.node.context;
    if (report.kind === "punch-failed") {
      this.#answers.delete(publicKey);
      if (paths.get(publicKey).kind === "direct") {
        paths.set(publicKey, { kind: "relayed", via: this.key, endpoint: { host: "127.0.0.1", port: 9 } });
      }
      return;
    }
    if (report.kind !== "punch-answered") return;
    const answers = (this.#answers.get(publicKey) ?? 0) + 1;
    this.#answers.set(publicKey, answers);
    if (answers < 3) return;
    const bridged = report.endpoint.host === "127.0.0.1";
    paths.set(publicKey, { kind: bridged ? "bridged" : "direct", endpoint: report.endpoint });
  }

  get key(): PublicKey {
    return this.node.key;
  }

  get control(): Endpoint {
    return { host: this.publicIp, port: GOSSIP_PORT };
  }

  /** A packet of the tunnel. */
  ping(other: NatNode): void {
    const endpoint = this.endpoints.get(other.key);
    if (endpoint !== undefined) this.#sendWireguard(4, endpoint);
  }

  /** Monotonic time of the last packet of the tunnel from the other, -Infinity for never. */
  heardFromAtMs(other: NatNode): number {
    return this.#heardAtMs.get(other.key) ?? Number.NEGATIVE_INFINITY;
  }

  isConnectedTo(other: NatNode): boolean {
    return this.#handshakes.has(other.key);
  }

  /** The reconciler and WireGuard: the endpoint changed, so an initiation goes there. */
  #aim(publicKey: PublicKey): void {
    const path = this.node.context.paths.get(publicKey);
    const endpoint =
      ("endpoint" in path ? path.endpoint : null) ?? this.node.store.get(publicKey)?.endpoint ?? null;
    if (endpoint === null) return;
    // Only a change of mind is written: WireGuard may have roamed.
    const before = this.#aimed.get(publicKey);
    if (before !== undefined && before.host === endpoint.host && before.port === endpoint.port) return;
    this.#aimed.set(publicKey, endpoint);
    this.endpoints.set(publicKey, endpoint);
    this.#initiate(publicKey);
  }

  #initiate(publicKey: PublicKey): void {
    const endpoint = this.endpoints.get(publicKey);
    if (endpoint === undefined || this.#handshakes.has(publicKey)) return;
    this.#sendWireguard(1, endpoint);
    this.#clock.after(RETRY_MS, () => this.#initiate(publicKey));
  }

  #sendWireguard(type: 1 | 2 | 4, to: Endpoint): void {
    const data = Buffer.concat([Buffer.from([type, 0, 0, 0]), Buffer.from(this.key)]);
    const bridge = to.host === "127.0.0.1" ? this.#bridges.get(to.port) : undefined;
    if (bridge !== undefined) bridge(data);
    else if (to.host !== "127.0.0.1") this.#socket.send(data, to);
  }

  #receive(data: Buffer, from: Endpoint): void {
    const type = data.readUInt32LE(0);
    if (type > 4) {
      for (const listener of this.#listeners) listener(data, from);
      return;
    }
    const publicKey = data.subarray(4).toString() as PublicKey;
    if (this.node.store.get(publicKey) === undefined) return;
    // A session follows its packets; without one there is nothing to follow.
    if (type === 4 && !this.#handshakes.has(publicKey)) return;
    this.endpoints.set(publicKey, from);
    this.#heardAtMs.set(publicKey, this.#clock.monotonicMs());
    if (type === 4) return;
    if (type === 1) this.#sendWireguard(2, from);
    const first = !this.#handshakes.has(publicKey);
    this.#handshakes.set(publicKey, this.#clock.wallMs());
    // The daemon reads the interface a little later.
    if (first) this.#clock.after(50, () => this.#noteHandshakes());
  }

  #noteHandshakes(): void {
    for (const [publicKey, atMs] of this.#handshakes) this.node.store.noteHandshake(publicKey, atMs);
  }

  #openMany(request: ManySocketsRequest): ReturnType<NonNullable<TestNode["context"]["openManySockets"]>> {
    let keep: number | null = null;
    let onBridge: (data: Buffer) => void = () => {};
    const loopback = this.#nextBridge++;
    const sockets = Array.from({ length: request.sockets }, (_, index) =>
      this.#network.open(this.#name, 0, (data, from) => {
        if (keep === null) request.onDatagram(index, data, from);
        else if (keep !== index) return;
        else if (data.readUInt32LE(0) <= 4) this.#receive(data, { host: "127.0.0.1", port: loopback });
        else onBridge(data);
      }),
    );
    for (const [index, socket] of sockets.entries()) {
      this.#clock.after((index * 1000) / request.packetsPerSecond, () =>
        socket.send(request.data, request.to),
      );
    }
    return {
      reply: (socket, data, to) => sockets[socket]?.send(data, to),
      become: (socket, to) => {
        keep = socket;
        const send = (data: Uint8Array): void => sockets[socket]?.send(data, to);
        this.#bridges.set(loopback, send);
        return {
          endpoint: { host: "127.0.0.1", port: loopback },
          send,
          onDatagram: (listener) => {
            onBridge = listener;
          },
          close: () => sockets[socket]?.close(),
        };
      },
      close: () => {
        for (const socket of sockets) socket.close();
      },
    };
  }
}

export const infoHashOf = (hour: number): string => `hour ${hour}`;

function dhtOptions(dht: MemoryDht, publicIp: string): DhtOptions {
  return {
    open: dht.openerAt(publicIp),
    port: 0,
    infoHash: infoHashOf,
    bootstrap: [{ host: "198.51.100.9", port: 6881 }],
    hasRoute: () => true,
    resolve: () => Promise.reject(new Error("no such name")),
    nodes: new MemoryNodes(),
  };
}
