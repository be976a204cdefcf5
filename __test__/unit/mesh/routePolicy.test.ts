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
