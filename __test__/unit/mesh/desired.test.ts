import { afterEach, describe, expect, test } from "vitest";
import type { Cidr, PublicKey } from "../../../src/core/types.ts";
import { Crowds } from "../../../src/mesh/crowds.ts";
import { type DesiredInput, desiredPeers } from "../../../src/mesh/desired.ts";
import { PathTable } from "../../../src/peers/paths.ts";
import { keyOf, peer } from "./peers.ts";

const nowMs = 1_000_000_000;
const own: DesiredInput["own"] = {
  publicKey: keyOf(0),
  meshIp: "10.7.9.9" as DesiredInput["own"]["meshIp"],
  meshIpv6: "fd00::9" as DesiredInput["own"]["meshIpv6"],
};

const paths = new PathTable();
const pathTo = (publicKey: PublicKey) => paths.get(publicKey);

function desired(peers: DesiredInput["peers"], change: Partial<DesiredInput> = {}) {
  return desiredPeers({
    peers,
    own,
    accepted: new Map(),
    keepaliveSeconds: 25,
    nowMs,
    pathTo,
    crowds: new Crowds(),
    ...change,
  });
}

afterEach(() => {
  for (const [publicKey] of [...paths.entries()]) paths.forget(publicKey);
});

describe("desiredPeers", () => {
  test("gives each peer its host addresses and its accepted networks", () => {
    const accepted = new Map<PublicKey, Cidr[]>([[keyOf(1), ["192.168.1.0/24" as Cidr]]]);
    expect(desired([peer(1), peer(2)], { accepted })).toEqual([
      {
        publicKey: keyOf(1),
        endpoint: { host: "192.0.2.1", port: 1025 },
        allowedIps: ["10.7.0.1/32", "fd00::1/128", "192.168.1.0/24"],
        keepaliveSeconds: 25,
      },
      expect.objectContaining({ publicKey: keyOf(2), allowedIps: ["10.7.0.2/32", "fd00::2/128"] }),
    ]);
  });

  test("a peer without endpoint is wanted; one without address is not, nor are we", () => {
    const list = [peer(1, { endpoint: null }), peer(2, { meshIp: null, meshIpv6: null }), peer(0)];
    expect(desired(list).map((entry) => [entry.publicKey, entry.endpoint])).toEqual([[keyOf(1), null]]);
  });

  test("names are no endpoints for WireGuard", () => {
    expect(desired([peer(1, { endpoint: { host: "node.example", port: 1 } })])[0]?.endpoint).toBeNull();
  });

  test("our own addresses are nobody else's", () => {
    expect(desired([peer(1, { meshIp: own.meshIp })])[0]?.allowedIps).toEqual(["fd00::1/128"]);
  });

  test("an address two claim goes to the lower key, whatever the order", () => {
    const meshIp = peer(1).meshIp;
    for (const list of [
      [peer(1), peer(2, { meshIp })],
      [peer(2, { meshIp }), peer(1)],
    ]) {
      const holders = desired(list).filter((entry) => entry.allowedIps.includes("10.7.0.1/32" as Cidr));
      expect(holders.map((entry) => entry.publicKey)).toEqual([keyOf(1)]);
    }
  });

  test("a live tunnel outranks a lower key, for which an attacker only has to try long enough", () => {
    const holder = peer(2, { meshIp: peer(1).meshIp, lastHandshakeMs: nowMs - 1_000 });
    const holders = desired([peer(1), holder]).filter((entry) =>
      entry.allowedIps.includes("10.7.0.1/32" as Cidr),
    );
    expect(holders.map((entry) => entry.publicKey)).toEqual([keyOf(2)]);
  });

  test("a path's endpoint wins over the store's, and a bridge's is pinned", () => {
    const bridge = { host: "127.0.0.1", port: 40_001 };
    paths.set(keyOf(1), { kind: "relayed", via: keyOf(3), endpoint: bridge });
    paths.set(keyOf(2), { kind: "direct", endpoint: { host: "198.51.100.7", port: 9 } });
    const [relayed, punched, plain] = desired([peer(1), peer(2), peer(3)]);
    expect(relayed).toMatchObject({ endpoint: bridge, pinned: true });
    expect(punched?.endpoint).toEqual({ host: "198.51.100.7", port: 9 });
    expect(punched).not.toHaveProperty("pinned");
    expect(plain?.endpoint).toEqual({ host: "192.0.2.1", port: 1027 });
    paths.forget(keyOf(1));
    expect(desired([peer(1)])[0]?.endpoint).toEqual({ host: "192.0.2.1", port: 1025 });
  });

  test("what another node forwards is with that node's entry, and the peer keeps one without addresses", () => {
    const accepted = new Map<PublicKey, Cidr[]>([[keyOf(1), ["192.168.1.0/24" as Cidr]]]);
    paths.set(keyOf(1), { kind: "forwarded", via: keyOf(2) });
    const [forwarded, relay] = desired([peer(1), peer(2)], { accepted });
    expect(forwarded).toMatchObject({ allowedIps: [], keepaliveSeconds: 25 });
    expect(forwarded?.endpoint).toEqual({ host: "192.0.2.1", port: 1025 });
    const networks = ["10.7.0.2/32", "fd00::2/128", "10.7.0.1/32", "fd00::1/128", "192.168.1.0/24"];
    expect(relay?.allowedIps).toEqual(networks);
    // Without that node the peer is tried directly.
    expect(desired([peer(1)], { accepted })[0]?.allowedIps).toHaveLength(3);
  });

  test("without IPv6 of our own, theirs is left out", () => {
    expect(desired([peer(1)], { own: { ...own, meshIpv6: null } })[0]?.allowedIps).toEqual(["10.7.0.1/32"]);
  });
});
