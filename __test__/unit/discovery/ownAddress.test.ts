import { beforeEach, describe, expect, test } from "vitest";
import type { Endpoint } from "../../../src/core/types.ts";
import { OwnAddressKeeper } from "../../../src/discovery/ownAddress.ts";
import {
  type AddressSources,
  ipv6EndpointScore,
  ownAddress,
} from "../../../src/discovery/ownAddressRules.ts";
import type { Mapping, SocketVerdicts, Verdict } from "../../../src/discovery/stun/verdict.ts";
import type { LocalNodeSnapshot } from "../../../src/peers/localNode.ts";
import { ip, keyOf } from "../support/announcements.ts";
import { MemoryLog } from "../support/memoryLog.ts";
import { vectors } from "../support/vectors.ts";
import { FakeClock } from "./fakeClock.ts";
import { TestNode } from "./memoryMesh.ts";
import { MemoryNetwork } from "./memoryNetwork.ts";

const verdict = (host: string, port: number, mapping: Mapping = "independent"): Verdict => ({
  mapping,
  mapped: { host, port },
});
const none: SocketVerdicts = { ipv4: null, ipv6: null };
const ipv4 = (found: Verdict): SocketVerdicts => ({ ipv4: found, ipv6: null });

const nothing: AddressSources = {
  wireguardPort: 51_820,
  wireguard: null,
  control: none,
  reflected: null,
  settled: true,
  interfaceAddresses: [],
  advertised: null,
};
const texts = (candidates: readonly Endpoint[]): string[] =>
  candidates.map(({ host, port }) => `${host} ${port}`);

describe("vectors: ipv6_endpoint_score", () => {
  test.each(vectors<{ address: string; public: boolean; score?: number }>("ipv6_endpoint_score"))(
    "$address",
    ({ address, public: isPublic, score }) => {
      expect(ipv6EndpointScore(ip(address))).toBe(isPublic ? score : null);
    },
  );
});

describe("the own address", () => {
  test("nothing is known: nothing is said", () => {
    expect(ownAddress(nothing)).toEqual({
      externalHost: null,
      externalWireguardPort: null,
      externalControl: null,
      natType: "unknown",
      candidates: [],
    });
  });

  test("what the operator says counts before all that was found, which stays a candidate", () => {
    const found = { ...nothing, wireguard: ipv4(verdict("203.0.113.9", 40_001)) };
    expect(ownAddress({ ...found, advertised: { host: ip("198.51.100.7"), port: 443 } })).toMatchObject({
      externalHost: "198.51.100.7",
      externalWireguardPort: 443,
      natType: "cone",
    });
    const { externalWireguardPort, candidates } = ownAddress({
      ...found,
      advertised: { host: ip("198.51.100.7"), port: null },
    });
    expect(externalWireguardPort).toBeNull();
    expect(texts(candidates)).toEqual(["198.51.100.7 51820", "203.0.113.9 40001"]);
  });

  test("WireGuard's own port says more than the control socket", () => {
    const found = ownAddress({
      ...nothing,
      wireguard: ipv4(verdict("203.0.113.9", 40_001)),
      control: ipv4(verdict("203.0.113.8", 40_000)),
      reflected: ip("203.0.113.7"),
    });
    expect(found).toMatchObject({
      externalHost: "203.0.113.9",
      externalWireguardPort: 40_001,
      externalControl: { host: "203.0.113.8", port: 40_000 },
      natType: "cone",
    });
    expect(texts(found.candidates)).toEqual(["203.0.113.9 40001"]);
  });

  test("a port that stays is not told apart", () => {
    const found = ownAddress({ ...nothing, wireguard: ipv4(verdict("203.0.113.9", 51_820, "none")) });
    expect(found).toMatchObject({
      externalHost: "203.0.113.9",
      externalWireguardPort: null,
      natType: "cone",
    });
  });

  test("where the control socket alone could ask, the own port goes with its address", () => {
    const found = ownAddress({ ...nothing, control: ipv4(verdict("203.0.113.9", 40_000)) });
    expect(found).toMatchObject({ externalHost: "203.0.113.9", externalWireguardPort: null });
    expect(texts(found.candidates)).toEqual(["203.0.113.9 51820"]);
  });

  test("a mapping that changes: the address with the own port, the last port as a candidate, no control endpoint", () => {
    const found = ownAddress({
      ...nothing,
      wireguard: ipv4(verdict("203.0.113.9", 40_001, "dependent")),
      control: ipv4(verdict("203.0.113.9", 40_000, "dependent")),
    });
    expect(found).toMatchObject({
      externalHost: "203.0.113.9",
      externalWireguardPort: null,
      externalControl: null,
      natType: "symmetric",
    });
    expect(texts(found.candidates)).toEqual(["203.0.113.9 51820", "203.0.113.9 40001"]);
  });

  test("IPv6 that STUN confirmed comes first only where IPv4's mapping changes", () => {
    const ipv6 = verdict("2001:db8::7", 51_820, "none");
    const steady = { ipv4: verdict("203.0.113.9", 40_001), ipv6 };
    const changing = { ipv4: verdict("203.0.113.9", 40_001, "dependent"), ipv6 };
    expect(ownAddress({ ...nothing, wireguard: steady }).externalHost).toBe("203.0.113.9");
    expect(ownAddress({ ...nothing, wireguard: changing })).toMatchObject({
      externalHost: "2001:db8::7",
      externalWireguardPort: null,
      natType: "symmetric",
    });
    expect(ownAddress({ ...nothing, wireguard: { ipv4: null, ipv6 } })).toMatchObject({
      externalHost: "2001:db8::7",
      natType: "cone",
    });
  });

  test("without STUN members are believed, then an interface's global IPv6 address", () => {
    const interfaceAddresses = [ip("192.168.1.2"), ip("2a00::211:22ff:fe33:4455"), ip("2a00::5")];
    const guess = { ...nothing, interfaceAddresses };
    expect(ownAddress(guess).externalHost).toBe("2a00::5");
    expect(ownAddress({ ...guess, settled: false }).externalHost).toBeNull();
    expect(ownAddress({ ...guess, reflected: ip("203.0.113.7") }).externalHost).toBe("203.0.113.7");
  });

  test("an address that only a carrier or a site knows is not announced", () => {
    for (const host of ["100.64.0.9", "192.168.7.7", "10.0.0.1", "127.0.0.1"]) {
      const found = ownAddress({ ...nothing, wireguard: ipv4(verdict(host, 1)) });
      expect(found).toMatchObject({ externalHost: null, externalWireguardPort: null });
    }
  });

  test("candidates: outside ones, then IPv6, then the LAN's; each once, eight at most", () => {
    const interfaceAddresses = [
      ...Array.from({ length: 9 }, (_, index) => ip(`192.168.${index}.2`)),
      ...Array.from({ length: 9 }, (_, index) => ip(`2a00::${index + 1}`)),
      ip("fd00::1"),
      ip("203.0.113.9"),
    ];
    const wireguard = {
      ipv4: verdict("203.0.113.9", 51_820, "none"),
      ipv6: verdict("2a00::1", 51_820, "none"),
    };
    const { candidates } = ownAddress({ ...nothing, wireguard, interfaceAddresses });
    expect(texts(candidates)).toEqual([
      "203.0.113.9 51820",
      "2a00::1 51820",
      ...["2a00::2 51820", "2a00::3 51820", "2a00::4 51820"],
      ...["192.168.0.2 51820", "192.168.1.2 51820", "192.168.2.2 51820"],
    ]);
  });
});

describe("the keeper", () => {
  let node: TestNode;
  let keeper: OwnAddressKeeper;
  let updates: LocalNodeSnapshot[];
  let log: MemoryLog;

  beforeEach(() => {
    const clock = new FakeClock();
    node = new TestNode(clock, new MemoryNetwork({ clock, unit: () => 0.5 }), "us", "192.168.1.2");
    log = new MemoryLog();
    const { self, underlay } = node;
    keeper = new OwnAddressKeeper({
      ...{ clock, log, self, underlay },
      noIpv6: false,
      stun: true,
      allows: (name) => name !== "docker0",
    });
    updates = [];
    self.subscribe((snapshot) => updates.push(snapshot));
  });

  test("the LAN's addresses are there from the start, those of excluded links and of the mesh are not", () => {
    node.underlay.links = [
      { name: "eth0", index: 2, ipv4: ["192.168.1.2", "10.77.0.5"] },
      { name: "docker0", index: 3, ipv4: ["172.17.0.1"] },
    ];
    keeper.refresh();
    expect(texts(node.self.snapshot.candidates)).toEqual(["192.168.1.2 51820"]);
  });

  test("all of a finding goes in at once, and the same finding again is no update", () => {
    const findings = {
      wireguard: ipv4(verdict("203.0.113.9", 40_001)),
      control: ipv4(verdict("203.0.113.9", 7)),
    };
    keeper.found(findings);
    keeper.found({ ...findings });
    expect(updates).toHaveLength(1);
    expect(updates[0]).toMatchObject({
      externalHost: "203.0.113.9",
      externalWireguardPort: 40_001,
      externalControl: { host: "203.0.113.9", port: 7 },
      natType: "cone",
    });
    expect(log.lines.map(({ fields }) => fields)).toContainEqual({
      from: "0.0.0.0:51820",
      endpoint: "203.0.113.9:40001",
      natType: "cone",
    });
  });

  test("what the operator says while it runs counts at once, until it is taken back", () => {
    keeper.found({ wireguard: ipv4(verdict("203.0.113.9", 40_001)), control: none });
    keeper.advertise({ host: ip("198.51.100.7"), port: 443 });
    expect(node.self.snapshot).toMatchObject({ externalHost: "198.51.100.7", externalWireguardPort: 443 });
    keeper.advertise(null);
    expect(node.self.snapshot).toMatchObject({ externalHost: "203.0.113.9", externalWireguardPort: 40_001 });
  });

  test("what did not change keeps its identity", () => {
    const { candidates } = node.self.snapshot;
    keeper.found({
      wireguard: null,
      control: { ipv4: null, ipv6: verdict("2001:db8::9", 51_820, "unknown") },
    });
    keeper.found({ wireguard: null, control: none });
    const after = node.self.snapshot;
    keeper.observed(keyOf(9), "203.0.113.7:1");
    expect(node.self.snapshot.candidates).toBe(after.candidates);
    expect(after.candidates).toEqual(candidates);
  });

  test("silent servers take nothing back; another network takes all", () => {
    keeper.found({ wireguard: null, control: ipv4(verdict("203.0.113.9", 7)) });
    keeper.found(null);
    expect(node.self.snapshot.externalHost).toBe("203.0.113.9");
    node.underlay.links = [{ name: "eth0", index: 2, ipv4: ["192.168.9.2"] }];
    keeper.networkChanged();
    expect(node.self.snapshot).toMatchObject({
      externalHost: null,
      externalControl: null,
      natType: "unknown",
    });
    expect(texts(node.self.snapshot.candidates)).toEqual(["192.168.9.2 51820"]);
  });

  test("one member alone cannot move an address, and STUN outweighs them", () => {
    keeper.observed(keyOf(1), "203.0.113.7:1");
    expect(node.self.snapshot.externalHost).toBe("203.0.113.7");
    keeper.observed(keyOf(2), "192.0.2.66:1");
    expect(node.self.snapshot.externalHost).toBe("203.0.113.7");
    keeper.observed(keyOf(3), "192.0.2.66:1");
    expect(node.self.snapshot.externalHost).toBe("192.0.2.66");
    keeper.found({ wireguard: null, control: ipv4(verdict("203.0.113.9", 7)) });
    expect(node.self.snapshot.externalHost).toBe("203.0.113.9");
  });

  test("a server that puts us into our own mesh is not believed", () => {
    keeper.found({ wireguard: ipv4(verdict("10.77.0.9", 7)), control: ipv4(verdict("10.77.0.9", 7)) });
    expect(node.self.snapshot.natType).toBe("unknown");
    expect(texts(node.self.snapshot.candidates)).toEqual(["192.168.1.2 51820"]);
  });

  test("another port of WireGuard: the old one's mapping goes, its own port is in the candidates", () => {
    keeper.found({
      wireguard: ipv4(verdict("203.0.113.9", 40_001)),
      control: ipv4(verdict("203.0.113.9", 7)),
    });
    node.self.update({ wireguardPort: 51_900 });
    expect(node.self.snapshot).toMatchObject({ externalHost: "203.0.113.9", externalWireguardPort: null });
    expect(texts(node.self.snapshot.candidates)).toEqual(["203.0.113.9 51900", "192.168.1.2 51900"]);
    keeper.close();
  });
});
