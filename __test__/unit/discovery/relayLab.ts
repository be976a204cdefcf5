import type { PublicKey } from "../../../src/core/types.ts";
import { orderRelays } from "../../../src/discovery/relay/choice.ts";
import type { PathReport, PeerPath } from "../../../src/peers/paths.ts";
import type { NatType } from "../../../src/peers/peer.ts";
import { sealEnvelope } from "../../../src/wire/envelope.ts";
import { MESSAGE_ID_BYTES, withProof } from "../../../src/wire/proof.ts";
import { encodeRelayMessage } from "../../../src/wire/relay.ts";
import { seededRandom } from "../support/seededRandom.ts";
import { FakeClock } from "./fakeClock.ts";
import { GOSSIP_PORT, TestNode, testKey } from "./memoryMesh.ts";
import { MemoryNetwork } from "./memoryNetwork.ts";
import { type MemoryBridge, RelayWorld } from "./memoryPlane.ts";

/** How long a dead relay may go unnoticed and a new one take, while packets flow. */
export const LOSS_SECONDS = 8;

export interface RelayLabOptions {
  readonly relays: readonly string[];
  /** Two nodes that do not reach each other, in the order in which they start. */
  readonly ends: readonly string[];
  /** Nodes that everybody reaches, and that do not relay. */
  readonly others?: readonly string[];
  readonly natType?: NatType;
  /** `--introducer-key` of the ends. */
  readonly trusted?: readonly string[];
  /** The end with the lower key trusts a node that is not there. */
  readonly leaderTrustsNone?: boolean;
  /** `--force-relay` at the ends. */
  readonly forced?: boolean;
}

export type RelayLab = Awaited<ReturnType<typeof makeRelayLab>>;

/** Nodes on a network in memory, WireGuard played by the test. Reached ones have 192.0.2.x, the ends 10.0.x.9. */
export async function makeRelayLab(options: RelayLabOptions) {
  const clock = new FakeClock();
  const chance = seededRandom("relays");
  const network = new MemoryNetwork({ clock, unit: () => chance.unit() });
  const world = new RelayWorld(clock);
  const nodes = new Map<string, TestNode>();
  const stops: (() => void)[] = [];
  const dead = new Set<string>();

  const node = (name: string): TestNode => {
    const found = nodes.get(name);
    if (found === undefined) throw new Error(`no node ${name}`);
    return found;
  };
  const nameOf = (key: PublicKey): string => [...nodes.keys()].find((name) => testKey(name) === key) ?? "?";

  let publics = 0;
  async function add(name: string, isEnd: boolean, relays: boolean): Promise<TestNode> {
    const ip = isEnd ? `10.0.${options.ends.indexOf(name) + 1}.9` : `192.0.2.${++publics}`;
    const [lower] = [...options.ends].sort((x, y) => (testKey(x) < testKey(y) ? -1 : 1));
    const named = options.leaderTrustsNone && name === lower ? ["nobody"] : (options.trusted ?? []);
    const made = new TestNode(clock, network, name, ip, {
      lan: false,
      gossip: "off",
      relayPlane: world.plane(ip),
      staticPeers: isEnd || publics > 1 ? reached() : [],
      relay: {
        enabled: isEnd || relays,
        port: null,
        limitBytesPerSecond: 1_000_000,
        trusted: isEnd ? named.map(testKey) : [],
        forced: isEnd && options.forced === true,
        plaintextAllowed: false,
      },
    });
    network.setHost(name, [ip, made.self.snapshot.meshIp]);
    nodes.set(name, made);
    await made.start();
    const { natType } = options;
    if (isEnd && natType) {
      // No STUN server is there to tell.
      const tell = (): void => {
        if (made.self.snapshot.natType !== natType) made.self.update({ natType });
      };
      stops.push(made.self.subscribe(tell));
      tell();
    }
    return made;
  }
  const reached = () =>
    [...nodes.values()]
      .filter(({ ip }) => ip.startsWith("192."))
      .map(({ ip }) => ({ host: ip, port: GOSSIP_PORT }));

  network.setParted("10.0.1.9", "10.0.2.9", true);
  for (const name of options.relays) await add(name, false, true);
  for (const name of options.others ?? []) await add(name, false, false);
  for (const name of options.ends) await add(name, true, false);

  /** Tunnels between all that reach each other, and those that were connected by the test. */
  const connected = new Set<string>();
  const alive = (): TestNode[] => [...nodes].filter(([name]) => !dead.has(name)).map(([, found]) => found);
  const handshakes = (): void => {
    for (const one of alive()) {
      for (const other of alive()) {
        const pair = [one.name, other.name].sort().join(" ");
        const isApart = options.ends.includes(one.name) && options.ends.includes(other.name);
        if (one !== other && (!isApart || connected.has(pair)))
          one.store.noteHandshake(other.key, clock.wallMs());
      }
    }
  };
  const every = (ms: number, act: () => void): (() => void) => {
    let cancel = clock.after(ms, function again() {
      act();
      cancel = clock.after(ms, again);
    });
    const stop = (): void => cancel();
    stops.push(stop);
    return stop;
  };
  await clock.advance(200);
  handshakes();
  every(60_000, handshakes);

  const pathOf = (own: string, other: string): PeerPath => node(own).context.paths.get(testKey(other));
  const isRelayed = (a: string, b: string): boolean =>
    pathOf(a, b).kind === "relayed" && pathOf(b, a).kind === "relayed";
  const endpoint = (name: string) => ({ host: node(name).ip, port: 51_820 });

  return {
    clock,
    know: (a: string, b: string): boolean =>
      node(a).store.get(testKey(b)) !== undefined && node(b).store.get(testKey(a)) !== undefined,
    world,
    node,
    key: testKey,
    pathOf,
    isRelayed,
    endpoint,
    addRelay: async (name: string) => {
      const made = await add(name, false, true);
      for (const one of alive()) if (one !== made) introduce(one, made);
      await clock.advance(200);
      handshakes();
    },
    untilRelayed: (a: string, b: string, limitMs: number) => clock.until(() => isRelayed(a, b), limitMs),
    relayOf(own: string, other: string): string {
      const path = pathOf(own, other);
      return path.kind === "relayed" ? nameOf(path.via) : path.kind;
    },
    firstChoice: (a: string, b: string): string =>
      nameOf(orderRelays(testKey(a), testKey(b), options.relays.map(testKey))[0] as PublicKey),
    report: (own: string, report: PathReport) => node(own).context.paths.report(report),
    onPath: (own: string, listener: (path: PeerPath) => void) =>
      node(own).context.paths.subscribe((_key, path) => listener(path)),
    connect(a: string, b: string): void {
      connected.add([a, b].sort().join(" "));
      handshakes();
    },
    /** Packets both ways, ten a second. */
    traffic: (a: string, b: string) =>
      every(100, () => {
        for (const name of [a, b]) for (const bridge of world.of(node(name).ip)) bridge.packet();
      }),
    /** Datagrams go and come back on a direct path, at both ends. */
    punchWorks: (a: string, b: string, everyMs = 1_000) =>
      every(everyMs, () => {
        for (const [own, other] of [
          [a, b],
          [b, a],
        ] as const) {
          const publicKey = testKey(other);
          node(own).context.paths.report({ kind: "punch-answered", publicKey, endpoint: endpoint(other) });
        }
      }),
    /** What the ends say to each other through the tunnel is lost, or not. */
    partTunnel(a: string, b: string, parted: boolean): void {
      network.setParted(node(a).self.snapshot.meshIp, node(b).self.snapshot.meshIp, parted);
    },
    kill(name: string): void {
      dead.add(name);
      network.setDead(name, true);
      for (const address of [...world.servers.keys()])
        if (address.startsWith(`${node(name).ip}:`)) world.servers.delete(address);
    },
    corrupt(name: string, fate: (data: Buffer, from: MemoryBridge) => "pass" | "lose"): void {
      world.fateOf.set(node(name).ip, fate);
    },
    /** A question and its answer as a member other than the peer can make them. */
    forgedEcho(name: string, bridge: MemoryBridge): Buffer {
      const { sealer, prover, random } = node(name).context;
      const victim = [...nodes.values()].find(({ ip }) => ip === bridge.host);
      const other = options.ends.find((end) => end !== victim?.name) ?? "";
      const payload = encodeRelayMessage({
        type: "RELAY_ECHO",
        from: testKey(other),
        timestampSeconds: Math.floor(clock.wallMs() / 1000),
        session: "0000000000000000",
        nonce: "0000000000000000",
        answer: true,
      });
      const id = random.bytes(MESSAGE_ID_BYTES);
      const proven = withProof(payload, "RELAY_ECHO", testKey(victim?.name ?? ""), prover, id);
      return sealEnvelope("RELAY_ECHO", proven, sealer, random);
    },
    /** An offer of a relay that nobody asked for, as `lead` had asked. */
    async offer(relay: string, to: string, peer: string, session: string): Promise<void> {
      const { sealer, prover, random } = node(relay).context;
      const payload = encodeRelayMessage({
        ...{ type: "RELAY_OFFER", from: testKey(relay), peer: testKey(peer), lead: testKey(peer) },
        timestampSeconds: Math.floor(clock.wallMs() / 1000),
        ...{ port: 40_000, session, token: "0123456789abcdef" },
      });
      const proven = withProof(payload, "RELAY_OFFER", testKey(to), prover, random.bytes(MESSAGE_ID_BYTES));
      const datagram = sealEnvelope("RELAY_OFFER", proven, sealer, random);
      const [from, at] = [node(relay).ip, node(to).ip];
      network.inject({ host: from, port: GOSSIP_PORT }, { host: at, port: GOSSIP_PORT }, datagram);
      await clock.advance(100);
    },
    /** How many sessions a relay gave. */
    offersSent: (name: string): number => world.openedBy(node(name).ip),
    /** A request of `own` for a peer the relay knows and has a tunnel to. */
    async askFor(own: string, other: string, relay: string): Promise<void> {
      const asking = node(own);
      const at = node(relay);
      if (!nodes.has(other)) {
        at.store.observe({
          publicKey: testKey(other),
          method: "dht",
          proven: true,
          instance: "0123456789abcdef",
        });
        at.store.noteHandshake(testKey(other), clock.wallMs());
      }
      const { sealer, prover, random } = asking.context;
      const payload = encodeRelayMessage({
        type: "RELAY_REQUEST",
        from: asking.key,
        timestampSeconds: Math.floor(clock.wallMs() / 1000),
        peer: testKey(other),
      });
      const proven = withProof(payload, "RELAY_REQUEST", at.key, prover, random.bytes(MESSAGE_ID_BYTES));
      const datagram = sealEnvelope("RELAY_REQUEST", proven, sealer, random);
      network.inject({ host: asking.ip, port: GOSSIP_PORT }, { host: at.ip, port: GOSSIP_PORT }, datagram);
      await clock.advance(250);
    },
    async end(): Promise<void> {
      for (const stop of stops) stop();
      for (const one of nodes.values()) await one.crash();
      const failures = [...nodes.values()].flatMap((one) => one.failures);
      if (failures.length > 0) throw failures[0];
      if (world.bridges.size > 0 || world.servers.size > 0) throw new Error("bridges or relays are left");
    },
  };
}

function introduce(one: TestNode, other: TestNode): void {
  one.store.observe({
    publicKey: other.key,
    method: "dht-transitive",
    meshIp: other.self.snapshot.meshIp,
    endpoint: { host: other.ip, port: 51_820 },
  });
}
