import { createCipheriv, createDecipheriv, createHash } from "node:crypto";
import { silentLog } from "../../../src/core/log.ts";
import type { Random } from "../../../src/core/random.ts";
import type { TaskScope } from "../../../src/core/tasks.ts";
import { type Cidr, type IpAddress, type PublicKey, parsePublicKey } from "../../../src/core/types.ts";
import { MeshDiscovery, type MeshDiscoveryOptions } from "../../../src/discovery/meshDiscovery.ts";
import type { RelayPlane } from "../../../src/discovery/relay/plane.ts";
import type {
  DiscoveryContext,
  Membership,
  Sealer,
  Underlay,
  UnderlayAddress,
  UnderlayEvent,
  UnderlayLink,
  WireguardPort,
} from "../../../src/discovery/seams.ts";
import { MetricsRegistry } from "../../../src/observe/metrics.ts";
import type { AddressDerivation } from "../../../src/peers/addresses.ts";
import { LocalNode, type LocalNodeSnapshot, NOTHING_LEARNED } from "../../../src/peers/localNode.ts";
import { PathTable } from "../../../src/peers/paths.ts";
import { PeerStore } from "../../../src/peers/store.ts";
import { testProver } from "../support/prover.ts";
import { seededRandom } from "../support/seededRandom.ts";
import type { FakeClock } from "./fakeClock.ts";
import type { MemoryNetwork } from "./memoryNetwork.ts";

export const GOSSIP_PORT = 52_000;
export const GROUP = "239.192.7.9";
export const LAN_PORT = 51_830;

/** AES-256-GCM as the addon does it, under a key of the test's. */
export function testSealer(key = "the mesh of the tests"): Sealer {
  const secret = createHash("sha256").update(key).digest();
  return {
    seal(nonce, plaintext) {
      const cipher = createCipheriv("aes-256-gcm", secret, nonce);
      return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    },
    open(nonce, ciphertext) {
      if (ciphertext.length < 16) return null;
      const decipher = createDecipheriv("aes-256-gcm", secret, nonce);
      decipher.setAuthTag(ciphertext.subarray(ciphertext.length - 16));
      try {
        return Buffer.concat([decipher.update(ciphertext.subarray(0, -16)), decipher.final()]);
      } catch {
        return null;
      }
    },
  };
}

export function testKey(name: string): PublicKey {
  const key = parsePublicKey(createHash("sha256").update(`key ${name}`).digest("base64"));
  if (!key) throw new Error("not a key");
  return key;
}

export const testAddresses: AddressDerivation = {
  meshSubnet: "10.77.0.0/16" as Cidr,
  meshIpv6Prefix: "fd00:77::/64" as Cidr,
  meshIpv4(publicKey, nonce) {
    const hash = createHash("sha256").update(`${publicKey} ${nonce}`).digest();
    return `10.77.${hash[0]}.${1 + ((hash[1] ?? 0) % 254)}`;
  },
  meshIpv6(publicKey) {
    const hash = createHash("sha256").update(publicKey).digest();
    return `fd00:77::${(hash.readUInt16BE(0) | 1).toString(16)}`;
  },
};

class TestUnderlay implements Underlay {
  readonly #listeners = new Set<(event: UnderlayEvent) => void>();
  links: UnderlayLink[];
  /** Beside those of the links. */
  ipv6: UnderlayAddress[] = [];

  constructor(links: UnderlayLink[]) {
    this.links = links;
  }

  suitableLinks(): UnderlayLink[] {
    return this.links;
  }

  addresses(): UnderlayAddress[] {
    const ipv4 = this.links.flatMap(({ name, ipv4 }) => ipv4.map((address) => ({ linkName: name, address })));
    return [...ipv4, ...this.ipv6];
  }

  isInsideMesh(ip: string): boolean {
    return ip.startsWith("10.77.") || ip.startsWith("fd00:77:");
  }

  isAdjacent(): boolean {
    return false;
  }

  isElsewhere(): boolean {
    return false;
  }

  onChange(listener: (event: UnderlayEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  changed(links: UnderlayLink[]): void {
    this.links = links;
    for (const listener of this.#listeners) listener("changed");
  }

  woke(): void {
    for (const listener of this.#listeners) listener("woke");
  }
}

export interface NodeOptions extends Partial<MeshDiscoveryOptions> {
  readonly instance?: string;
  readonly random?: Random;
  readonly probe?: (publicKey: PublicKey) => Promise<boolean>;
  readonly wireguardPort?: WireguardPort;
  readonly openManySockets?: DiscoveryContext["openManySockets"];
  readonly tunnelEndpoint?: DiscoveryContext["tunnelEndpoint"];
  readonly relayPlane?: RelayPlane;
  readonly membership?: Membership;
}

/** What a node of that name says of itself. */
export function ownWords(name: string, instance?: string): LocalNodeSnapshot {
  const publicKey = testKey(name);
  return {
    ...NOTHING_LEARNED,
    publicKey,
    hostname: name,
    meshIp: testAddresses.meshIpv4(publicKey, 0) as IpAddress,
    meshIpv6: testAddresses.meshIpv6(publicKey) as IpAddress,
    wireguardPort: 51_820,
    natType: "",
    instance: instance ?? createHash("sha256").update(`run ${name}`).digest("hex").slice(0, 16),
  };
}

/** One node on a network in memory, its discovery real down to the socket seam. */
export class TestNode {
  readonly name: string;
  readonly key: PublicKey;
  readonly ip: string;
  readonly store: PeerStore;
  readonly metrics = new MetricsRegistry();
  readonly self: LocalNode;
  readonly underlay: TestUnderlay;
  readonly discovery: MeshDiscovery;
  readonly context: DiscoveryContext;
  /** What tasks failed with. */
  readonly failures: unknown[] = [];
  readonly #tasks = new Set<Promise<void>>();
  readonly #abort = new AbortController();

  constructor(clock: FakeClock, network: MemoryNetwork, name: string, ip: string, options: NodeOptions = {}) {
    const {
      instance,
      probe,
      wireguardPort,
      openManySockets,
      tunnelEndpoint,
      relayPlane,
      membership,
      random = seededRandom(`${name} ${instance}`),
      ...discovery
    } = options;
    this.name = name;
    this.key = testKey(name);
    this.ip = ip;
    // The second stands for the tunnel: datagrams to it come from the sender's own mesh address.
    network.setHost(name, [ip, testAddresses.meshIpv4(this.key, 0)]);
    this.self = new LocalNode(ownWords(name, instance));
    this.store = new PeerStore({
      clock,
      ownKey: this.key,
      addresses: testAddresses,
      strictAddresses: false,
      noIpv6: false,
      self: this.self,
      onListenerError: (error) => this.failures.push(error),
    });
    this.underlay = new TestUnderlay([{ name: "eth0", index: 2, ipv4: [ip] }]);
    const scope: TaskScope = {
      signal: this.#abort.signal,
      start: (_name, _policy, body) => {
        const task = body(this.#abort.signal)
          .catch((error) => void this.failures.push(error))
          .finally(() => this.#tasks.delete(task));
        this.#tasks.add(task);
      },
    };
    this.context = {
      clock,
      random,
      log: silentLog,
      metrics: this.metrics,
      scope,
      store: this.store,
      self: this.self,
      paths: new PathTable(),
      sealer: testSealer(),
      prover: testProver(this.key),
      membership,
      addresses: testAddresses,
      underlay: this.underlay,
      wireguardPort: wireguardPort ?? null,
      openManySockets: openManySockets ?? null,
      tunnelEndpoint: tunnelEndpoint ?? (() => null),
      relayPlane: relayPlane ?? null,
      probe: probe ?? (async () => false),
    };
    this.discovery = new MeshDiscovery({
      gossipPort: GOSSIP_PORT,
      multicastGroup: GROUP,
      multicastPort: LAN_PORT,
      lan: true,
      staticPeers: [],
      noIpv6: false,
      noPunching: false,
      stunServers: [],
      bind: network.factory(name),
      resolve: async (host) => {
        throw new Error(`no resolver for ${host}`);
      },
      ...discovery,
    });
  }

  async start(): Promise<void> {
    await this.discovery.start(this.context);
  }

  /** Ends as a crash does: no GOODBYE. */
  async crash(): Promise<void> {
    await this.discovery.stop();
    this.#abort.abort();
    await Promise.all(this.#tasks);
  }

  get runningTasks(): number {
    return this.#tasks.size;
  }

  /** True when each of `nodes` but this one is known, with its addresses and where its WireGuard is, and knows us. */
  knowsAll(nodes: readonly TestNode[]): boolean {
    return nodes.every((node) => {
      if (node === this) return true;
      const peer = this.store.get(node.key);
      return peer?.endpoint?.host === node.ip && peer.meshIp === node.self.snapshot.meshIp && peer.knowsUs;
    });
  }
}

/** True when every pair knows each other. */
export function isMesh(nodes: readonly TestNode[]): boolean {
  return nodes.every((node) => node.knowsAll(nodes));
}
