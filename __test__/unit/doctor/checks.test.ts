/** What a lab of namespaces cannot take away, or has not; everything else is seen for real in mesh/doctor.test.ts. */
import { expect, test } from "vitest";
import type { Cidr, IpAddress } from "../../../src/core/types.ts";
import { backendCheck } from "../../../src/doctor/checks/backend.ts";
import { clockCheck } from "../../../src/doctor/checks/clock.ts";
import { daemonCheck, troublesCheck } from "../../../src/doctor/checks/daemon.ts";
import { stateDirectoryCheck, stateFileCheck } from "../../../src/doctor/checks/files.ts";
import { interfaceCheck } from "../../../src/doctor/checks/interface.ts";
import { descriptorsCheck, overlapCheck } from "../../../src/doctor/checks/machine.ts";
import { dnsCheck, stunCheck } from "../../../src/doctor/checks/network.ts";
import { controlPortCheck, listenPortCheck } from "../../../src/doctor/checks/ports.ts";
import { rightsCheck } from "../../../src/doctor/checks/rights.ts";
import { tunCheck } from "../../../src/doctor/checks/tun.ts";
import { judged, patient, running, twin } from "./twin.ts";

const alive = { running, pid: running.pid };

test("a kernel without WireGuard is a fault where it was asked for, and none where another backend does", async () => {
  const without = twin({ kernelWireguard: () => "missing" });
  const wish = patient({}, { backend: "kernel" });
  expect(await judged(backendCheck, without, wish)).toMatchObject({
    severity: "error",
    seen: "--backend kernel cannot work here (the kernel has no WireGuard)",
    remedy: expect.stringContaining("load the wireguard module"),
  });
  expect(await judged(backendCheck, twin(), wish)).toMatchObject({ severity: "ok" });
  expect(await judged(backendCheck, without, patient())).toMatchObject({
    severity: "ok",
    seen: expect.stringContaining("embedded would be used"),
  });
  const hidden = twin({ kernelWireguard: () => null });
  expect(await judged(backendCheck, hidden, wish)).toMatchObject({ severity: "unknown" });
  const loadable = twin({ kernelWireguard: () => "loadable" });
  expect(await judged(backendCheck, loadable, patient())).toMatchObject({ severity: "note" });
});

test("without the TUN device the kernel's WireGuard does", async () => {
  const host = twin({ deviceError: () => "ENOENT" });
  expect(await judged(tunCheck, host, patient())).toMatchObject({ severity: "note" });
  const none = twin({ deviceError: () => "ENOENT", kernelWireguard: () => "missing" });
  expect(await judged(tunCheck, none, patient())).toMatchObject({ severity: "error" });
});

test("a machine whose clock nobody keeps, or that members do not share", async () => {
  const adrift = twin({ clockSynchronised: async () => false });
  expect(await judged(clockCheck, adrift, patient())).toMatchObject({ severity: "warning" });
  const detail = "the clock of 192.0.2.9 is 11 minutes ahead of ours";
  const health = [{ id: "clock", state: "warn", detail }];
  const apart = patient({ ...alive, running: { ...running, health } });
  expect(await judged(clockCheck, twin(), apart)).toMatchObject({ severity: "error", seen: detail });
  expect(await judged(clockCheck, twin(), patient(alive))).toMatchObject({ severity: "ok" });
});

test("the rights of the daemon count, not those of who asks", async () => {
  const host = twin({ rights: (pid) => ({ netAdmin: pid === null, netRaw: true }) });
  expect(await judged(rightsCheck, host, patient(alive))).toMatchObject({
    severity: "error",
    seen: expect.stringContaining("the daemon (PID 4711) lacks CAP_NET_ADMIN"),
  });
  expect(await judged(rightsCheck, host, patient())).toMatchObject({ severity: "ok" });
});

test("a daemon that listens elsewhere than it was told", async () => {
  const of = patient({ ...alive, running: { ...running, listenPort: 51_900 } }, { listenPort: 51_899 });
  const holder = { port: 51_899, address: "0.0.0.0", pid: 7, program: "other" };
  expect(await judged(listenPortCheck, twin({ udpHolders: () => [holder] }), of)).toMatchObject({
    severity: "warning",
    seen: expect.stringMatching(/51899 is held by other \(PID 7\): the node listens on 51900/),
  });
});

test("a control port that is held on an address this node does not listen on is free", async () => {
  const secret = { gossipPort: 51_900 } as NonNullable<ReturnType<typeof patient>["secret"]>;
  const holder = { port: 51_900, address: "192.0.2.9", pid: 7, program: "other" };
  const host = twin({ udpHolders: () => [holder] });
  for (const [listenAddresses, severity] of [
    [[], "error"],
    [["192.0.2.9"], "error"],
    [["192.0.2.1", "2001:db8::1"], "ok"],
  ] as [IpAddress[], string][]) {
    const of = patient({ secret }, { listenAddresses });
    expect(await judged(controlPortCheck, host, of)).toMatchObject({ severity });
  }
  const any = twin({ udpHolders: () => [{ ...holder, address: "::" }] });
  const of = patient({ secret }, { listenAddresses: ["192.0.2.1" as IpAddress] });
  expect(await judged(controlPortCheck, any, of)).toMatchObject({ severity: "error" });
});

test("files that went away under a daemon", async () => {
  expect(await judged(stateDirectoryCheck, twin(), patient(alive))).toMatchObject({ severity: "error" });
  expect(await judged(stateDirectoryCheck, twin(), patient())).toMatchObject({ severity: "note" });
  expect(await judged(stateFileCheck, twin(), patient(alive))).toMatchObject({ severity: "error" });
  const file = () => ({ kind: "file", uid: 0, mode: 0o600 }) as const;
  const other = twin({ file, publicKeyIn: () => "another" });
  expect(await judged(stateFileCheck, other, patient(alive))).toMatchObject({
    severity: "error",
    seen: expect.stringContaining("another key"),
  });
  expect(await judged(stateFileCheck, twin({ file }), patient(alive))).toMatchObject({ severity: "ok" });
});

test("an interface that a daemon lost, and one that none holds", async () => {
  expect(await judged(interfaceCheck, twin(), patient(alive))).toMatchObject({ severity: "error" });
  const links = twin()
    .links()
    .map((link) => ({ ...link, name: "wg0", kind: "wireguard" }));
  expect(await judged(interfaceCheck, twin({ links: () => links }), patient())).toMatchObject({
    severity: "note",
  });
  const down = links.map((link) => ({ ...link, up: false }));
  expect(await judged(interfaceCheck, twin({ links: () => down }), patient(alive))).toMatchObject({
    severity: "error",
    seen: "wg0 is down",
  });
});

test("a daemon that is about to run out of descriptors", async () => {
  const host = twin({ descriptors: () => ({ limit: 1000, open: 801 }) });
  expect(await judged(descriptorsCheck, host, patient(alive))).toMatchObject({ severity: "warning" });
  expect(await judged(descriptorsCheck, twin(), patient(alive))).toMatchObject({ severity: "ok" });
});

test("a daemon that starts is no daemon that lost its socket", async () => {
  const starts = twin({
    file: (path) => (path.endsWith(".starting") ? { kind: "file", uid: 0, mode: 0o644 } : null),
  });
  expect(await judged(daemonCheck, starts, patient({ pid: 7 }))).toMatchObject({ severity: "note" });
  expect(await judged(daemonCheck, twin(), patient({ pid: 7 }))).toMatchObject({ severity: "error" });
  const unanswered = {
    code: "ERR_NOT_READY",
    message: "daemon status unavailable",
    hint: "ask again",
  } as const;
  expect(await judged(daemonCheck, twin(), patient({ pid: 7, unanswered }))).toMatchObject({
    severity: "note",
  });
});

test("a daemon that lives and cannot be asked leaves its troubles unknown", async () => {
  expect(await judged(troublesCheck, twin(), patient({ pid: 7 }))).toMatchObject({ severity: "unknown" });
  const failing = [{ object: "peer mBmUmA", reason: "EBUSY" }];
  const of = patient({ ...alive, running: { ...running, failing } });
  expect(await judged(troublesCheck, twin(), of)).toMatchObject({
    severity: "warning",
    seen: "peer mBmUmA: EBUSY",
  });
});

test("without a default route neither names nor servers are a fault of theirs", async () => {
  const silent = twin({
    routes: () => [],
    askStun: async () => null,
    resolve: () => Promise.reject(new Error("no answer")),
  });
  expect(await judged(dnsCheck, silent, patient())).toMatchObject({ severity: "unknown" });
  expect(await judged(stunCheck, silent, patient())).toMatchObject({ severity: "unknown" });
});

test("one name of several that is not found is no reason to act", async () => {
  const servers = { stun: [], dht: ["a.example", "b.example"].map((host) => ({ host, port: 1 })) };
  const host = twin({
    resolve: async (name) => (name === "a.example" ? ["192.0.2.1"] : Promise.reject(new Error("none"))),
  });
  expect(await judged(dnsCheck, host, patient({ publicServers: servers }))).toMatchObject({
    severity: "note",
    seen: "b.example cannot be resolved; the others can",
  });
});

test("the IPv6 network of the mesh is the mesh's alone too, also when the IPv4 one follows from the secret", async () => {
  const addresses = [
    { linkName: "wg0", address: "10.9.1.2", prefixLength: 16 },
    { linkName: "wg0", address: "fd00:9:9:9::2", prefixLength: 64 },
    { linkName: "eth0", address: "fd00:9:9:9::7", prefixLength: 64 },
  ];
  const secret = { gossipPort: 51_000, meshSubnet: "10.9.0.0/16" as Cidr };
  const host = twin({ addresses: () => addresses });
  expect(await judged(overlapCheck, host, patient({ ...alive, secret }))).toMatchObject({
    severity: "warning",
    seen: "the mesh's fd00:9:9:9::/64 overlaps fd00:9:9:9::/64 of eth0: one of both is not reached",
  });
  const alone = twin({ addresses: () => addresses.slice(0, 2) });
  expect(await judged(overlapCheck, alone, patient({ ...alive, secret }))).toMatchObject({
    severity: "ok",
    seen: "10.9.0.0/16, fd00:9:9:9::/64 is the mesh's alone",
  });
});
