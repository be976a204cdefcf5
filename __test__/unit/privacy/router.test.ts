import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Network } from "../../../bench/privacy/network.ts";
import type { Random } from "../../../src/core/random.ts";
import type { IpAddress, PublicKey } from "../../../src/core/types.ts";
import { type Effect, fanOut, Router } from "../../../src/privacy/router.ts";
import type { PassedAnnouncement } from "../../../src/wire/dandelion.ts";
import { seededRandom } from "../support/seededRandom.ts";

const key = (name: string): PublicKey => name as PublicKey;
const message: PassedAnnouncement = {
  origin: key("origin"),
  meshIp: "10.77.0.1" as IpAddress,
  endpoint: "192.0.2.1:51820",
  hopCount: 0,
  timestampSeconds: 1_767_225_600,
  nonce: "30".repeat(16),
  ageSeconds: 1,
  fluff: false,
};
const around = { neighbours: ["a", "b", "c"].map(key), relays: ["a", "b"].map(key) };

/** Chance that always says the same. */
const fixed = (unit: number): Random => ({ bytes: (count) => Buffer.alloc(count), unit: () => unit });
const never = fixed(0.5);

const sends = (effects: readonly Effect[]): (Effect & { type: "send" })[] =>
  effects.filter((effect) => effect.type === "send");
const learns = (effects: readonly Effect[]): number => effects.filter(({ type }) => type === "learn").length;

describe("on the stem (PROTOCOL.md section 13)", () => {
  test.each([
    [0, "b"],
    [1, "a"],
    [2, "b"],
  ])("hop count %i goes on to relay %s, one higher, and nobody learns of it here", (hopCount, relay) => {
    const { fate, effects } = new Router(never).receive({ ...message, hopCount }, key("c"), around, 0);
    expect(fate).toBe("stemmed");
    expect(effects).toEqual([
      { type: "send", to: relay, message: { ...message, hopCount: hopCount + 1 }, delayMs: 0 },
    ]);
  });

  test.each([3, 4, 255])("hop count %i ends in fluff, which goes to all, to the sender too", (hopCount) => {
    const { fate, effects } = new Router(never).receive({ ...message, hopCount }, key("c"), around, 0);
    expect(fate).toBe("fluffed");
    expect(learns(effects)).toBe(1);
    expect(new Set(sends(effects).map(({ to }) => to))).toEqual(new Set(["a", "b", "c"]));
    for (const { message: sent } of sends(effects)) expect(sent).toMatchObject({ fluff: true, hopCount: 4 });
  });

  test("one in ten ends at once", () => {
    const random = seededRandom("one in ten");
    const ended = Array.from({ length: 2_000 }, () =>
      new Router(random).receive(message, key("c"), around, 0),
    );
    const share = ended.filter(({ fate }) => fate === "fluffed").length / ended.length;
    expect(share).toBeGreaterThan(0.08);
    expect(share).toBeLessThan(0.12);
  });

  test("without a relay it ends at once", () => {
    const { fate } = new Router(never).receive(message, key("c"), { ...around, relays: [] }, 0);
    expect(fate).toBe("fluffed");
  });

  test("it goes neither back nor to its origin", () => {
    const back = new Router(never).receive(message, key("b"), around, 0);
    expect(sends(back.effects).map(({ to }) => to)).toEqual(["a"]);
    const home = new Router(never).receive({ ...message, origin: key("b") }, key("a"), around, 0);
    expect(home.fate).toBe("fluffed");
  });

  test("its maker begins with any hop count, so that none tells for certain who made it but the least", () => {
    const random = seededRandom("beginnings");
    const counts = Array.from({ length: 400 }, () => {
      const { effects } = new Router(random).originate(message, around, 0);
      return sends(effects)[0]?.message.hopCount;
    });
    for (const count of [0, 1, 2, 3]) {
      expect(counts.filter((each) => each === count).length).toBeGreaterThan(60);
    }
  });
});

describe("loops and repeats", () => {
  test("an announcement on the stem is passed on once", () => {
    const router = new Router(never);
    router.receive(message, key("c"), around, 0);
    expect(router.receive({ ...message, hopCount: 2 }, key("a"), around, 10)).toEqual({
      fate: "repeat",
      effects: [],
    });
  });

  test("fluff after the stem is spread, once, and not back", () => {
    const router = new Router(never);
    router.receive(message, key("c"), around, 0);
    const fluff = { ...message, fluff: true };
    const first = router.receive(fluff, key("a"), around, 10);
    expect(first.fate).toBe("spread");
    expect(new Set(sends(first.effects).map(({ to }) => to))).toEqual(new Set(["b", "c"]));
    expect(router.receive(fluff, key("b"), around, 20).fate).toBe("repeat");
    expect(router.receive(message, key("b"), around, 30).fate).toBe("repeat");
  });
});

describe("the fail-safe", () => {
  test("sends to all what did not come back, older by the time it was held", () => {
    const router = new Router(never);
    router.receive(message, key("c"), around, 1_000);
    const dueAtMs = router.nextAtMs() ?? Number.NaN;
    expect(dueAtMs - 1_000).toBeGreaterThanOrEqual(5_000);
    expect(dueAtMs - 1_000).toBeLessThanOrEqual(30_000);
    expect(router.tick(around, dueAtMs - 1)).toEqual([]);
    const [routed] = router.tick(around, dueAtMs);
    expect(routed?.fate).toBe("fluffed");
    const held = Math.floor((dueAtMs - 1_000) / 1000);
    expect(sends(routed?.effects ?? []).map((send) => send.message.ageSeconds)).toEqual(
      Array.from({ length: 3 }, () => 1 + held),
    );
    expect(router.nextAtMs()).toBeNull();
  });

  test("rests when it came back", () => {
    const router = new Router(never);
    router.originate(message, around, 0);
    router.receive({ ...message, fluff: true }, key("a"), around, 100);
    expect(router.nextAtMs()).toBeNull();
    expect(router.tick(around, 60_000)).toEqual([]);
  });

  test("waits for another time each time", () => {
    const random = seededRandom("patience");
    const times = Array.from({ length: 200 }, () => {
      const router = new Router(random);
      router.originate(message, around, 0);
      return Math.floor((router.nextAtMs() ?? 0) / 1000);
    });
    expect(new Set(times).size).toBeGreaterThan(10);
  });
});

describe("a new neighbour", () => {
  const newcomer = key("newcomer");

  test("is told what was said of late, as old as it is now, but nothing of itself", () => {
    const router = new Router(never);
    router.receive({ ...message, fluff: true }, key("a"), around, 0);
    router.receive(
      { ...message, origin: newcomer, nonce: "31".repeat(16), fluff: true },
      key("a"),
      around,
      0,
    );
    const told = sends(router.welcome(newcomer, 4, 60_000));
    expect(told.map(({ to, message: sent }) => [to, sent.origin, sent.ageSeconds, sent.fluff])).toEqual([
      ["newcomer", "origin", 61, true],
    ]);
    expect(router.welcome(newcomer, 4, 300_000)).toEqual([]);
  });

  test("hears nothing that is on a stem still", () => {
    const router = new Router(never);
    router.receive(message, key("a"), around, 0);
    expect(router.welcome(newcomer, 4, 1_000)).toEqual([]);
  });
});

/** A connected graph: a random tree and some more edges. */
const connectedGraph = fc
  .record({
    parents: fc.array(fc.nat(), { minLength: 1, maxLength: 24 }),
    extra: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 12 }),
  })
  .map(({ parents, extra }) => {
    const size = parents.length + 1;
    const graph = Array.from({ length: size }, () => new Set<number>());
    const join = (a: number, b: number): void => {
      // Beyond so many neighbours only some are told each time.
      if (a === b || Math.max(graph[a]?.size ?? 0, graph[b]?.size ?? 0) >= fanOut(0)) return;
      graph[a]?.add(b);
      graph[b]?.add(a);
    };
    for (const [index, parent] of parents.entries()) {
      const node = index + 1;
      // The nearest node with room, downwards from a chosen one: there always is one, since each adds more than it takes.
      let to = parent % node;
      while ((graph[to]?.size ?? 0) >= fanOut(0) - 1) to = (to + 1) % node;
      join(node, to);
    }
    for (const [a, b] of extra) join(a % size, b % size);
    return graph.map((neighbours) => [...neighbours]);
  });

describe("in any connected graph of honest nodes", () => {
  test("every announcement reaches everybody, loops end, and no node sends it twice to another", () => {
    fc.assert(
      fc.property(connectedGraph, fc.nat(), fc.integer(), (graph, from, seed) => {
        const random = seededRandom(`reach ${seed}`);
        const stems = new Map<string, number>();
        const network = new Network({
          graph,
          random,
          delayMs: () => 5 + 50 * random.unit(),
          arrived: ({ from: sender, to, message: { fluff } }) => {
            const way = `${sender} ${to} ${fluff}`;
            stems.set(way, (stems.get(way) ?? 0) + 1);
          },
        });
        const nonce = network.announce(from % graph.length);
        network.run();
        expect(network.learned.get(nonce)?.size).toBe(graph.length);
        const edges = graph.reduce((sum, neighbours) => sum + neighbours.length, 0);
        // The stem has at most four hops; fluff goes along each edge once either way.
        expect(network.sent).toBeLessThanOrEqual(4 + edges);
        expect(Math.max(...stems.values())).toBe(1);
        for (const node of graph.keys()) expect(network.sizesOf(node)).toEqual({ waiting: 0, nonces: 1 });
      }),
      { numRuns: 300 },
    );
  });

  test("it does so too when the stem is swallowed, within a minute", () => {
    fc.assert(
      fc.property(connectedGraph, fc.nat(), fc.integer(), (graph, from, seed) => {
        const random = seededRandom(`swallowed ${seed}`);
        const isLost = (_from: number, _to: number, { fluff }: PassedAnnouncement): boolean =>
          !fluff && random.unit() < 0.5;
        const network = new Network({ graph, random, isLost, delayMs: () => 20 });
        const nonce = network.announce(from % graph.length);
        network.run();
        expect(network.learned.get(nonce)?.size).toBe(graph.length);
        expect(Math.max(...(network.learned.get(nonce)?.values() ?? []))).toBeLessThan(60_000);
      }),
      { numRuns: 200 },
    );
  });
});

test("in a full mesh of 200 each node sends an announcement to a dozen, and nobody is missed", () => {
  const random = seededRandom("full mesh");
  const all = Array.from({ length: 200 }, (_, node) => node);
  const graph = all.map((node) => all.filter((other) => other !== node));
  const network = new Network({ graph, random, delayMs: () => 10 + 40 * random.unit() });
  for (const origin of [0, 50, 100, 150]) {
    const nonce = network.announce(origin);
    network.run();
    expect(network.learned.get(nonce)?.size).toBe(200);
  }
  expect(network.sent / 4 / 200).toBeLessThan(12.1);
});
