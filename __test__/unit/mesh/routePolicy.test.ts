import { describe, expect, test } from "vitest";
import type { Cidr } from "../../../src/core/types.ts";
import { acceptNetworks, type RoutePolicyInput } from "../../../src/mesh/routePolicy.ts";
import { keyOf, peer } from "./peers.ts";

const nowMs = 1_000_000_000;
const cidrs = (...texts: string[]): Cidr[] => texts as Cidr[];

function accept(peers: RoutePolicyInput["peers"], change: Partial<RoutePolicyInput> = {}) {
  return acceptNetworks({
    peers,
    policy: "all",
    meshNetworks: cidrs("10.7.0.0/16", "fd00::/64"),
    ownNetworks: cidrs("192.168.50.0/24"),
    underlayNetworks: cidrs("172.20.0.0/24"),
    ipv6: true,
    nowMs,
    preference: { isUsable: () => true, holders: new Map() },
    ...change,
  });
}

describe("acceptNetworks", () => {
  test("takes sane networks of both families", () => {
    const networks = cidrs("192.168.1.0/24", "fd12::/48");
    expect(accept([peer(1, { networks })])).toMatchObject({ networks, refused: [] });
  });

  test.each([
    ["0.0.0.0/0", "default route"],
    ["::/0", "default route"],
    ["10.7.1.0/24", "overlaps the mesh"],
    ["10.0.0.0/8", "overlaps the mesh"],
    ["fd00::/16", "overlaps the mesh"],
    ["192.168.50.128/25", "this node advertises"],
    ["192.168.0.0/16", "this node advertises"],
    ["172.20.0.0/16", "connected to"],
    ["127.0.0.0/8", "reserved"],
    ["169.254.1.0/24", "reserved"],
    ["224.0.0.0/3", "reserved"],
    ["fe80::/64", "reserved"],
    ["192.0.2.0/24", "own endpoint"],
  ])("refuses %s: %s", (network, reason) => {
    const { networks, refused } = accept([peer(1, { networks: cidrs(network) })]);
    expect(networks).toEqual([]);
    expect(refused).toEqual([{ publicKey: keyOf(1), network, reason: expect.stringContaining(reason) }]);
  });

  test("one refused network does not take the peer's others with it", () => {
    const networks = cidrs("0.0.0.0/0", "192.168.1.0/24");
    expect(accept([peer(1, { networks })]).networks).toEqual(["192.168.1.0/24"]);
  });

  test("none takes nothing; a list takes what lies inside it", () => {
    const peers = [peer(1, { networks: cidrs("192.168.1.0/24", "192.168.2.0/24", "192.168.0.0/22") })];
    expect(accept(peers, { policy: "none", ownNetworks: [] }).networks).toEqual([]);
    expect(accept(peers, { policy: cidrs("192.168.2.0/23") }).networks).toEqual(["192.168.2.0/24"]);
  });

  test("without IPv6 only IPv4 networks are taken", () => {
    const peers = [peer(1, { networks: cidrs("fd12::/48", "192.168.1.0/24") })];
    expect(accept(peers, { ipv6: false }).networks).toEqual(["192.168.1.0/24"]);
  });

  test("a network of several peers goes to one: connected first, then the lower key", () => {
    const networks = cidrs("192.168.1.0/24");
    const [lower, higher] = [peer(1, { networks }), peer(2, { networks })];
    expect([...accept([higher, lower]).byPeer.keys()]).toEqual([keyOf(1)]);
    const connected = peer(2, { networks, lastHandshakeMs: nowMs - 1_000 });
    expect([...accept([lower, connected]).byPeer.keys()]).toEqual([keyOf(2)]);
  });

  test("a network stays with the peer that has it, until that one is silent; then it stays with the next", () => {
    const networks = cidrs("192.168.1.0/24", "192.168.2.0/24");
    const lastHandshakeMs = nowMs - 1_000;
    const peers = [1, 2, 3].map((number) => peer(number, { networks, lastHandshakeMs }));
    const silent = new Set<string>();
    let holders: RoutePolicyInput["preference"]["holders"] = new Map([[networks[0] as Cidr, keyOf(2)]]);
    const decide = () => {
      const isUsable = (key: string): boolean => !silent.has(key);
      const accepted = accept(peers, { preference: { isUsable, holders } });
      ({ holders } = accepted);
      return accepted;
    };
    expect([...decide().holders]).toEqual([
      ["192.168.1.0/24", keyOf(2)],
      ["192.168.2.0/24", keyOf(1)],
    ]);
    silent.add(keyOf(1));
    expect(new Set(decide().holders.values())).toEqual(new Set([keyOf(2)]));
    silent.clear();
    expect(new Set(decide().holders.values())).toEqual(new Set([keyOf(2)]));
    silent.add(keyOf(2));
    const accepted = decide();
    expect(new Set(accepted.holders.values())).toEqual(new Set([keyOf(1)]));
    expect(accepted.replaceable).toEqual(new Set([keyOf(1)]));
    expect(accepted.byPeer.get(keyOf(1))).toEqual(networks);
    for (const number of [1, 2, 3]) silent.add(keyOf(number));
    expect(new Set(decide().holders.values())).toEqual(new Set([keyOf(1)]));
  });

  test("who has a network alone is not replaceable, and keeps it though silent", () => {
    const networks = cidrs("192.168.1.0/24");
    const preference = { isUsable: () => false, holders: new Map() };
    const { byPeer, replaceable } = accept([peer(1, { networks }), peer(2)], { preference });
    expect(byPeer.get(keyOf(1))).toEqual(networks);
    expect(replaceable.size).toBe(0);
  });

  test("a peer that has a network may add one around it, but none that another has part of", () => {
    const holders = new Map([["192.168.1.0/24" as Cidr, keyOf(1)]]);
    const preference = { isUsable: () => true, holders };
    const first = peer(1, { networks: cidrs("192.168.1.0/24", "192.168.0.0/20") });
    expect(accept([first], { preference }).networks).toEqual(["192.168.1.0/24", "192.168.0.0/20"]);
    const other = peer(2, { networks: cidrs("192.168.2.0/24") });
    holders.set("192.168.2.0/24" as Cidr, keyOf(2));
    const { networks, refused } = accept([first, other], { preference });
    expect(networks).toEqual(["192.168.1.0/24", "192.168.2.0/24"]);
    expect(refused).toMatchObject([{ publicKey: keyOf(1), network: "192.168.0.0/20" }]);
  });

  test("part of another peer's network cannot be taken from it", () => {
    const victim = peer(1, { networks: cidrs("192.168.0.0/20") });
    const thief = peer(2, { networks: cidrs("192.168.1.0/24") });
    const { refused } = accept([victim, thief]);
    expect(refused).toMatchObject([{ publicKey: keyOf(2), reason: "another peer has it" }]);
  });

  test("one peer's networks may be nested", () => {
    const networks = cidrs("192.168.0.0/20", "192.168.1.0/24");
    expect(accept([peer(1, { networks })]).networks).toEqual(networks);
  });

  test("made-up peers with their networks neither crowd out the connected ones nor fill the table", () => {
    const madeUp = Array.from({ length: 100 }, (_, index) => {
      const networks = Array.from({ length: 100 }, (_, n) => `20.${index}.${n}.0/24`);
      return peer(index + 1, { networks: cidrs(...networks) });
    });
    const networks = cidrs("192.168.1.0/24");
    const real = peer(5_000, { networks, lastHandshakeMs: nowMs - 1_000 });
    const accepted = accept([...madeUp, real]);
    expect(accepted.networks).toHaveLength(2_000);
    expect(accepted.byPeer.get(real.publicKey)).toEqual(networks);
    expect(accepted.refused.at(-1)?.reason).toBe("there are too many networks");
  });
});
