import { describe, expect, test } from "vitest";
import type { Cidr, Endpoint, PublicKey } from "../../src/core/types.ts";
import type { Sighting } from "../../src/peers/peer.ts";
import { PeerStore } from "../../src/peers/store.ts";
import type { PeerChange } from "../../src/wireguard/backend.ts";
import { FakeRoutes } from "../unit/mesh/fakeRoutes.ts";
import { makeScenario } from "./scenario.ts";
import { replayCommand, simulate } from "./simulator.ts";
import type { SimDevice } from "./world/device.ts";
import type { Faults } from "./world/node.ts";

const NODES = 8;
const MOST_SEEDS = 20;

/** What is found first when every node has that fault. */
async function foundWith(faults: Faults, isFit: (seed: number) => boolean = () => true): Promise<string> {
  for (let seed = 1; seed <= MOST_SEEDS; seed += 1) {
    if (!isFit(seed)) continue;
    const { failure } = await simulate({ seed, nodes: NODES, faults });
    if (failure !== null) return failure;
  }
  return "nothing";
}

describe("a seed", () => {
  test("gives the same run each time, and another seed another one", { timeout: 120_000 }, async () => {
    const run = async (seed: number) => await simulate({ seed, nodes: NODES });
    const [first, again, other] = [await run(5), await run(5), await run(6)];
    expect(first.failure).toBeNull();
    expect(again).toEqual(first);
    expect(first.events).toBeGreaterThan(1_000);
    expect(other.hash).not.toBe(first.hash);
  });

  test("gives the same scenario each time, with every kind of fault among a few", () => {
    expect(makeScenario(7, 30)).toEqual(makeScenario(7, 30));
    const scenarios = Array.from({ length: 40 }, (_, seed) => makeScenario(seed, 30));
    const kinds = new Set(scenarios.flatMap(({ faults }) => faults.map(({ fault }) => fault.kind)));
    expect([...kinds].sort()).toEqual(["clock", "crash", "leave", "move", "partition", "unplug", "weather"]);
  });

  test("that fails is told with the command that runs it again", () => {
    expect(replayCommand({ seed: 17, nodes: 30 })).toBe(
      "WGMESH_SIM_SEED=17 WGMESH_SIM_NODES=30 npm run simulate",
    );
  });
});

test("records of members that are gone for good are forgotten by all", { timeout: 300_000 }, async () => {
  const isForGood = (seed: number): boolean =>
    makeScenario(seed, NODES).faults.some(({ fault }) => fault.kind === "crash" && fault.downMs === null);
  const seed = Array.from({ length: 30 }, (_, index) => index).find(isForGood) ?? 0;
  expect(isForGood(seed)).toBe(true);
  const { failure } = await simulate({ seed, nodes: NODES, untilDeadForgotten: true });
  expect(failure).toBeNull();
});

describe("a planted fault is found:", () => {
  test("a store that forgets who said goodbye", { timeout: 300_000 }, async () => {
    class Forgetful extends PeerStore {
      override remove(...[publicKey, reason, atSeconds]: Parameters<PeerStore["remove"]>): void {
        super.remove(publicKey, reason === "goodbye" ? "replaced" : reason, atSeconds);
      }
      override observe(sighting: Sighting) {
        // Without ages, any mention passes for news.
        const { ageSeconds: _, ...rest } = sighting;
        return super.observe(rest);
      }
    }
    const store: Faults["store"] = (options) => {
      const made = new Forgetful(options);
      // What the simulator is told is true: only the tombstone is missing.
      const { subscribe } = made;
      made.subscribe = (listener) =>
        subscribe.call(made, (event) =>
          listener(event.type === "removed" ? { ...event, reason: "goodbye" } : event),
        );
      return made;
    };
    expect(await foundWith({ store })).toMatch(/said goodbye and is gone, and is back here/);
  });

  test("an interface that keeps the peers that were removed", { timeout: 300_000 }, async () => {
    const backend = (device: SimDevice) => {
      const { apply } = device;
      device.apply = (changes: readonly PeerChange[]) =>
        apply.call(
          device,
          changes.filter(({ kind }) => kind !== "remove"),
        );
      return device;
    };
    expect(await foundWith({ backend })).toMatch(/is dead to the store and still on the interface/);
  });

  test("a routing table that keeps the routes of the dead", { timeout: 300_000 }, async () => {
    class Keeping extends FakeRoutes {
      override remove(): void {}
    }
    expect(await foundWith({ routes: () => new Keeping() })).toMatch(/its route to .* leads to no peer/);
  });

  test("a node that never stops announcing itself", { timeout: 300_000 }, async () => {
    const discovery: Faults["discovery"] = (discovery, clock) => {
      const again = (): void => {
        discovery.announce();
        clock.after(50, again);
      };
      clock.after(1_000, again);
    };
    expect(await foundWith({ discovery })).toMatch(/datagrams in a minute/);
  });

  test("a store that has two records of a member", { timeout: 300_000 }, async () => {
    const store: Faults["store"] = (options) => {
      const made = new PeerStore(options);
      const { subscribe } = made;
      // A second record is made of what should change the first.
      made.subscribe = (listener) =>
        subscribe.call(made, (event) =>
          listener(event.type === "updated" ? { ...event, type: "added" } : event),
        );
      return made;
    };
    expect(await foundWith({ store })).toMatch(/has two records/);
  });

  test("an interface that leaves out the IPv6 address of a member", { timeout: 300_000 }, async () => {
    const backend = (device: SimDevice) => {
      const { apply } = device;
      const ipv4 = (allowedIps: readonly Cidr[]) => allowedIps.filter((ip) => !ip.endsWith("/128"));
      device.apply = (changes: readonly PeerChange[]) =>
        apply.call(
          device,
          changes.map((change) => {
            if (change.kind === "add" || change.kind === "retrigger")
              return { ...change, peer: { ...change.peer, allowedIps: ipv4(change.peer.allowedIps) } };
            if (change.kind === "remove" || change.allowedIps === undefined) return change;
            return { ...change, allowedIps: ipv4(change.allowedIps) };
          }),
        );
      return device;
    };
    expect(await foundWith({ backend })).toMatch(/not one mesh yet: .*no allowed IP/);
  });

  test("an interface that sends to where a member was at first", { timeout: 300_000 }, async () => {
    const backend = (device: SimDevice) => {
      const { apply } = device;
      const first = new Map<PublicKey, Endpoint>();
      device.apply = async (changes: readonly PeerChange[]) => {
        const failed = await apply.call(device, changes);
        for (const peer of device.peers.values()) {
          if (peer.endpoint !== null && !first.has(peer.publicKey)) first.set(peer.publicKey, peer.endpoint);
          const endpoint = first.get(peer.publicKey);
          // Neither what is written nor a packet from elsewhere moves it.
          if (endpoint !== undefined)
            Object.defineProperty(peer, "endpoint", {
              get: () => endpoint,
              set: () => {},
              configurable: true,
            });
        }
        return failed;
      };
      return device;
    };
    const moves = (seed: number): boolean =>
      makeScenario(seed, NODES).faults.some(({ fault }) => fault.kind === "move");
    expect(await foundWith({ backend }, moves)).toMatch(/not one mesh yet: .*(sends to|no session)/);
  });
});
