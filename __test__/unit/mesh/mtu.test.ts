import { describe, expect, test } from "vitest";
import { MtuPolicy, type MtuPolicyOptions, type Path } from "../../../src/mesh/mtuPolicy.ts";
import { mtuForPaths, RAISE_AFTER_MS, stepMtu } from "../../../src/mesh/pathMtu.ts";
import { ManualClock } from "../support/manualClock.ts";

describe("mtuForPaths", () => {
  test.each([
    ["none known", [], 1420],
    ["Ethernet", [1500], 1420],
    ["the smallest counts", [9000, 1492, 1500], 1412],
    ["a tunnel", [1400], 1320],
    ["jumbo frames", [9000], 8920],
    ["the floor", [1300], 1280],
    ["far below the floor", [576], 1280],
    ["what no IP packet can hold", [65_536, 4_000_000_000], 65_455],
  ])("%s", (_, paths, mtu) => {
    expect(mtuForPaths(paths)).toBe(mtu);
  });
});

describe("stepMtu", () => {
  test("the first decision is taken as it is, a smaller one at once", () => {
    const first = stepMtu(null, 1420, 0);
    expect(first).toEqual({ mtu: 1420, largerSinceMs: null });
    expect(stepMtu(first, 1320, 1)).toEqual({ mtu: 1320, largerSinceMs: null });
  });

  test("a larger one waits, and one that goes away meanwhile never comes", () => {
    const before = { mtu: 1320, largerSinceMs: null };
    const waiting = stepMtu(before, 1420, 1_000);
    expect(waiting).toEqual({ mtu: 1320, largerSinceMs: 1_000 });
    expect(stepMtu(waiting, 1420, 1_000 + RAISE_AFTER_MS - 1).mtu).toBe(1320);
    expect(stepMtu(waiting, 1420, 1_000 + RAISE_AFTER_MS).mtu).toBe(1420);
    const gone = stepMtu(waiting, 1320, 2_000);
    expect(stepMtu(gone, 1420, 1_000 + RAISE_AFTER_MS).mtu).toBe(1320);
  });
});

describe("MtuPolicy", () => {
  const eth = (mtu: number): Path => ({ linkName: "eth0", mtu, type: "unicast" });
  const HOST = "192.0.2.9";
  const DEFAULT = "203.0.113.1";

  function makePolicy(paths: Record<string, Path>, change: Partial<MtuPolicyOptions> = {}) {
    const clock = new ManualClock();
    const asked: string[] = [];
    const pathTo = (host: string): Path | null => {
      asked.push(host);
      return paths[host] ?? null;
    };
    const policy = new MtuPolicy({ clock, interfaceName: "wg0", chosen: null, pathTo, ...change });
    return { clock, asked, paths, policy, decide: (...hosts: string[]) => policy.decide(new Set(hosts)) };
  }

  test("before any peer the default route counts, afterwards only the paths to peers", () => {
    const { decide, clock } = makePolicy({ [DEFAULT]: eth(1400), [HOST]: eth(1500), "192.0.2.8": eth(1450) });
    expect(decide()).toBe(1320);
    expect(decide(HOST)).toBe(1320);
    clock.advance(RAISE_AFTER_MS);
    expect(decide(HOST)).toBe(1420);
    expect(decide(HOST, "192.0.2.8")).toBe(1370);
  });

  test("without any route 1420 is a guess: the first path is taken at once, also a larger one", () => {
    const { decide } = makePolicy({ [HOST]: eth(9000) });
    expect(decide()).toBe(1420);
    expect(decide(HOST)).toBe(8920);
  });

  test("what the operator gave counts alone, and nothing is asked", () => {
    const { decide, asked } = makePolicy({ [HOST]: eth(1300) }, { chosen: 1380 });
    expect(decide(HOST)).toBe(1380);
    expect(asked).toEqual([]);
  });

  test("a way into our own interface, or to this host itself, is no path", () => {
    const { decide } = makePolicy({
      [HOST]: eth(1500),
      "10.1.0.9": { linkName: "wg0", mtu: 1000, type: "unicast" },
      "127.0.0.1": { linkName: "lo", mtu: 1000, type: "local" },
    });
    expect(decide(HOST, "10.1.0.9", "127.0.0.1")).toBe(1420);
  });

  test("follows the network when it is told of a change, and asks only then or after a minute", () => {
    const { decide, policy, paths, asked, clock } = makePolicy({ [HOST]: eth(1500) });
    decide(HOST);
    paths[HOST] = eth(1450);
    expect(decide(HOST)).toBe(1420);
    policy.networkChanged();
    expect(decide(HOST)).toBe(1370);
    expect(asked).toEqual([HOST, HOST]);
    // As a path MTU that was learned, without an event.
    paths[HOST] = eth(1400);
    clock.advance(60_000);
    expect(decide(HOST)).toBe(1320);
  });

  test("asks for new peers alone; and takes a small share of the time, however restless the network is", () => {
    const clock = new ManualClock();
    const asked: string[] = [];
    const pathTo = (host: string): Path => {
      clock.advance(1);
      asked.push(host);
      return eth(1500);
    };
    const policy = new MtuPolicy({ clock, interfaceName: "wg0", chosen: null, pathTo });
    const hosts = Array.from({ length: 100 }, (_, number) => `192.0.2.${number}`);
    policy.decide(new Set(hosts.slice(1)));
    expect(asked.splice(0)).toHaveLength(99);
    expect(policy.dueAtMs).toBeNull();
    policy.decide(new Set(hosts));
    expect(asked.splice(0)).toEqual(["192.0.2.0"]);
    policy.networkChanged();
    const dueAtMs = policy.dueAtMs ?? 0;
    // It took 99 ms, which is a twentieth of this; one of them went by since.
    expect(dueAtMs - clock.monotonicMs()).toBe(99 * 20 - 1);
    policy.decide(new Set(hosts));
    expect(asked).toEqual([]);
    clock.advance(dueAtMs - clock.monotonicMs());
    policy.decide(new Set(hosts));
    expect(asked).toHaveLength(100);
    expect(policy.dueAtMs).toBeNull();
  });

  test("a network that is away for a while moves nothing", () => {
    const { decide, policy, paths } = makePolicy({ [HOST]: eth(9000) });
    expect(decide(HOST)).toBe(8920);
    delete paths[HOST];
    policy.networkChanged();
    expect(decide(HOST)).toBe(8920);
  });
});
