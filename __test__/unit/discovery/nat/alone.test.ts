/** Two nodes behind NATs that know nothing but the DHT and STUN servers: greeted on the control socket, and else on WireGuard's port. */
import { afterEach, describe, expect, test } from "vitest";
import { hoursAt } from "../../../../src/discovery/dht/schedule.ts";
import { seededRandom } from "../../support/seededRandom.ts";
import { MemoryDht } from "../dht/memoryDht.ts";
import { FakeClock } from "../fakeClock.ts";
import { type Kind, NatNetwork } from "./natNetwork.ts";
import { infoHashOf, NatNode } from "./natNode.ts";

interface StartOptions {
  readonly seed?: string;
  /** How much later the right one starts. */
  readonly laterMs?: number;
  readonly noPunching?: boolean;
  /** Who is announced in the DHT, and is not there. */
  readonly announced?: { readonly host: string; readonly port: number };
}

class Pair {
  readonly clock = new FakeClock();
  readonly network: NatNetwork;
  readonly left: NatNode;
  readonly right: NatNode;
  readonly #dht = new MemoryDht(this.clock);
  readonly #options: StartOptions;

  constructor(a: Kind, b: Kind, options: StartOptions = {}) {
    const { seed = "", noPunching = false } = options;
    const chance = seededRandom(`${a} ${b} ${seed}`);
    this.#options = options;
    this.network = new NatNetwork(this.clock, () => chance.unit());
    const common = { dht: this.#dht, seed, noPunching };
    this.left = new NatNode(this.clock, this.network, "left", { kind: a, ...common });
    this.right = new NatNode(this.clock, this.network, "right", { kind: b, ...common });
  }

  async start(): Promise<void> {
    const { announced, laterMs = 0 } = this.#options;
    if (announced !== undefined)
      for (const hour of hoursAt(this.clock.wallMs())) this.#dht.stored.set(infoHashOf(hour), [announced]);
    await this.left.node.start();
    await this.clock.advance(laterMs);
    await this.right.node.start();
  }

  /** Milliseconds until both have a session with the other. */
  untilMet(limitMs: number): Promise<number> {
    return this.clock.until(
      () => this.left.isConnectedTo(this.right) && this.right.isConnectedTo(this.left),
      limitMs,
      20,
    );
  }

  async end(): Promise<void> {
    const nodes = [this.left.node, this.right.node];
    const crashed = Promise.all(nodes.map((node) => node.crash()));
    await this.clock.advance(5_000);
    await crashed;
    expect(nodes.flatMap(({ failures }) => failures)).toEqual([]);
  }
}

let pair: Pair;

afterEach(() => pair.end());

const begin = async (a: Kind, b: Kind, options: StartOptions = {}): Promise<Pair> => {
  pair = new Pair(a, b, options);
  await pair.start();
  return pair;
};

const greetings = (node: NatNode, kind: "hello" | "reply"): number =>
  node.node.metrics
    .counter("wgmesh_port_greetings_total", "datagrams of greetings sent from WireGuard's port", {
      kind: ["hello", "reply"],
    })
    .value({ kind });

describe("WireGuard's port forwarded and nothing else, alone with the DHT", () => {
  test.each<[Kind, Kind, number]>([
    ["S", "R", 0],
    ["R", "S", 0],
    ["S", "R", 3_000],
    ["R", "S", 3_000],
    ["S", "I", 0],
    ["S", "I", 3_000],
    ["I", "S", 3_000],
  ])("%s and %s, that one %i ms later, meet there", async (a, b, laterMs) => {
    const { left, right } = await begin(a, b, { laterMs });
    expect(await pair.untilMet(60_000)).toBeLessThanOrEqual(16_000);
    for (const [one, other] of [
      [left, right],
      [right, left],
    ] as const) {
      expect(one.node.store.get(other.key)).toMatchObject({ proven: true, knowsUs: true });
    }
  });

  test("the tunnel stays at the address that the packets of a symmetric NAT come from", async () => {
    const { left, right, clock } = await begin("S", "R");
    await pair.untilMet(60_000);
    await clock.advance(10 * 60_000);
    right.ping(left);
    await clock.advance(100);
    expect(clock.monotonicMs() - left.heardFromAtMs(right)).toBeLessThanOrEqual(100);
    expect(left.endpoints.get(right.key)?.port).not.toBe(51_820);
  });

  test("nothing is greeted there without punching, nor where the control socket answers", async () => {
    const { left, right, clock } = await begin("S", "R", { noPunching: true });
    await clock.advance(60_000);
    expect(left.isConnectedTo(right)).toBe(false);
    expect(greetings(left, "hello") + greetings(right, "hello")).toBe(0);
    await pair.end();
    const open = await begin("O", "R");
    await open.untilMet(5_000);
    await open.clock.advance(20_000);
    expect(greetings(open.left, "hello")).toBe(0);
  });
});

describe("whoever is announced and is not there", () => {
  const victim = "203.0.113.200";

  test("gets few datagrams in a second, and ever fewer", async () => {
    const { clock, network } = await begin("O", "O", { announced: { host: victim, port: 52_000 } });
    const perSecond: number[] = [];
    for (let second = 0; second < 600; second += 1) {
      const before = network.packetsTo.get(victim) ?? 0;
      await clock.advance(1_000);
      perSecond.push((network.packetsTo.get(victim) ?? 0) - before);
    }
    // Of two nodes: each asks the announced port and WireGuard's.
    expect(Math.max(...perSecond)).toBeLessThanOrEqual(12);
    expect(perSecond.slice(0, 60).reduce((sum, count) => sum + count)).toBeGreaterThan(24);
    expect(perSecond.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(2 * 2 * 8 * 6);
  });

  test("gets nothing when somebody passes a greeting on in its name", async () => {
    const { clock, left, network, right } = await begin("S", "R");
    let kept: Buffer | null = null;
    network.trace = (_from, to, data) => {
      const isGreeting = to.port === 51_820 && data.subarray(0, 16).toString().startsWith('{"type":"HELLO"');
      if (isGreeting) kept ??= data;
    };
    await pair.untilMet(60_000);
    if (kept === null) throw new Error("no greeting was seen");
    for (let time = 0; time < 50; time += 1) {
      network.inject({ host: victim, port: 7 }, { host: left.publicIp, port: 51_820 }, kept);
      network.inject({ host: victim, port: 7 }, { host: right.publicIp, port: 51_820 }, kept);
      await clock.advance(50);
    }
    expect(network.packetsTo.get(victim) ?? 0).toBe(0);
  });
});
