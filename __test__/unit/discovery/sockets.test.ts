import { afterEach, describe, expect, test } from "vitest";
import { WgmeshError } from "../../../src/core/errors.ts";
import type { Endpoint } from "../../../src/core/types.ts";
import { ControlSocket } from "../../../src/discovery/controlSocket.ts";
import { bindNodeUdp } from "../../../src/discovery/nodeUdp.ts";
import type { UdpBinding, UdpSocketFactory } from "../../../src/discovery/udpSocket.ts";
import { seededRandom } from "../support/seededRandom.ts";
import { FakeClock } from "./fakeClock.ts";
import { GOSSIP_PORT, GROUP, TestNode } from "./memoryMesh.ts";
import { MemoryNetwork } from "./memoryNetwork.ts";

const clock = new FakeClock();
const chance = seededRandom("sockets");
const opened: { close(): void }[] = [];

function newNetwork(): MemoryNetwork {
  const network = new MemoryNetwork({ clock, unit: () => chance.unit() });
  network.setHost("a", ["192.0.2.1"]);
  network.setHost("b", ["192.0.2.2"]);
  return network;
}

async function open(bind: UdpSocketFactory, port: number, noIpv6 = false) {
  const got: { text: string; from: Endpoint }[] = [];
  const errors: string[] = [];
  const socket = await ControlSocket.open({
    bind,
    port,
    noIpv6,
    datagram: (data, from) => got.push({ text: data.toString(), from }),
    failed: (error) => errors.push(error.message),
  });
  opened.push(socket);
  return { socket, got, errors };
}

afterEach(() => {
  for (const socket of opened.splice(0)) socket.close();
});

describe("the control socket", () => {
  test("says which port is in use, as ERR_CONTROL_PORT", async () => {
    const network = newNetwork();
    await open(network.factory("a"), 52_001);
    const error = await open(network.factory("a"), 52_001).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(WgmeshError);
    expect(error.code).toBe("ERR_CONTROL_PORT");
    expect(error.message).toContain("52001");
  });

  test.each([
    ["takes both families in one", true, false, ["udp6 ::"]],
    ["takes IPv4 alone on a host without IPv6", false, false, ["udp6 ::", "udp4 0.0.0.0"]],
    ["takes IPv4 alone with --no-ipv6", true, true, ["udp4 0.0.0.0"]],
  ])("%s, and gives IPv4 sources as IPv4", async (_what, ipv6, noIpv6, wanted) => {
    const network = newNetwork();
    network.ipv6 = ipv6;
    const bindings: UdpBinding[] = [];
    const bind: UdpSocketFactory = (binding, handlers) => {
      bindings.push(binding);
      return network.factory("a")(binding, handlers);
    };
    const a = await open(bind, 52_001, noIpv6);
    const b = await open(network.factory("b"), 52_002);
    expect(bindings.map(({ family, address }) => `${family} ${address}`)).toEqual(wanted);
    a.socket.send(Buffer.from("hi"), { host: "192.0.2.2", port: 52_002 });
    b.socket.send(Buffer.from("ho"), { host: "192.0.2.1", port: 52_001 });
    await clock.advance(5);
    expect(b.got).toEqual([{ text: "hi", from: { host: "192.0.2.1", port: 52_001 } }]);
    expect(a.got).toEqual([{ text: "ho", from: { host: "192.0.2.2", port: 52_002 } }]);
  });

  test("reports what cannot be sent and goes on", async () => {
    const network = newNetwork();
    network.ipv6 = false;
    const a = await open(network.factory("a"), 52_001);
    const b = await open(network.factory("b"), 52_002);
    a.socket.send(Buffer.from("x"), { host: "198.18.0.1", port: 1 });
    a.socket.send(Buffer.alloc(70_000), { host: "192.0.2.2", port: 52_002 });
    a.socket.send(Buffer.from("x"), { host: "2001:db8::1", port: 1 });
    a.socket.send(Buffer.from("ok"), { host: "192.0.2.2", port: 52_002 });
    await clock.advance(5);
    expect(a.errors).toEqual(["EHOSTUNREACH", "EMSGSIZE", "no IPv6 on this host"]);
    expect(b.got.map(({ text }) => text)).toEqual(["ok"]);
  });
});

describe("sockets of the operating system, on loopback", () => {
  /** A port that is free now; the socket that showed it is closed. */
  async function freePort(): Promise<number> {
    const { createSocket } = await import("node:dgram");
    const probe = createSocket("udp6");
    await new Promise<void>((resolve) => probe.bind({ address: "::", port: 0 }, resolve));
    const { port } = probe.address();
    await new Promise<void>((resolve) => probe.close(resolve));
    return port;
  }

  async function arrives(got: readonly unknown[], count: number): Promise<void> {
    const { setTimeout: pause } = await import("node:timers/promises");
    for (let tries = 0; got.length < count && tries < 200; tries += 1) await pause(10);
    expect(got).toHaveLength(count);
  }

  test("carry IPv4 and IPv6 and report errors of single datagrams", async () => {
    const [portA, portB] = [await freePort(), await freePort()];
    const a = await open(bindNodeUdp, portA);
    const b = await open(bindNodeUdp, portB);
    a.socket.send(Buffer.from("four"), { host: "127.0.0.1", port: portB });
    await arrives(b.got, 1);
    a.socket.send(Buffer.from("six"), { host: "::1", port: portB });
    await arrives(b.got, 2);
    expect(b.got).toEqual([
      { text: "four", from: { host: "127.0.0.1", port: portA } },
      { text: "six", from: { host: "::1", port: portA } },
    ]);
    a.socket.send(Buffer.alloc(70_000), { host: "127.0.0.1", port: portB });
    await arrives(a.errors, 1);
    expect(a.errors[0]).toContain("EMSGSIZE");
  });

  test("say EADDRINUSE as ERR_CONTROL_PORT, and the port is free again after close", async () => {
    const port = await freePort();
    const first = await open(bindNodeUdp, port);
    await expect(open(bindNodeUdp, port)).rejects.toMatchObject({ code: "ERR_CONTROL_PORT" });
    first.socket.close();
    first.socket.send(Buffer.from("late"), { host: "127.0.0.1", port });
    expect(first.errors).toEqual(["socket is closed"]);
    await open(bindNodeUdp, port);
  });
});

describe("LAN sockets", () => {
  test("follow a link that was made again under its name and address", async () => {
    const network = newNetwork();
    const a = new TestNode(clock, network, "a", "192.0.2.1");
    const b = new TestNode(clock, network, "b", "192.0.2.2");
    await a.start();
    // The device goes, and its membership with it; the same name and address come back.
    network.setHost("a", []);
    network.setHost("a", ["192.0.2.1"]);
    a.underlay.changed([{ name: "eth0", index: 7, ipv4: ["192.0.2.1"] }]);
    await clock.advance(6_000);
    await b.start();
    await clock.advance(100);
    expect(a.store.get(b.key)?.methods).toContain("lan");
    await a.crash();
    await b.crash();
    expect([...a.failures, ...b.failures]).toEqual([]);
  });

  test("use the links that are allowed, and say why they use none", async () => {
    const network = newNetwork();
    network.setHost("a", ["192.0.2.1", "192.0.3.1"]);
    const node = new TestNode(clock, network, "a", "192.0.2.1", { excludeInterfaces: ["eth0"] });
    network.setHost("a", ["192.0.2.1", "192.0.3.1"]);
    node.underlay.links = [...node.underlay.links, { name: "eth1", index: 3, ipv4: ["192.0.3.1"] }];
    await node.start();
    await clock.advance(100);
    const lan = (): unknown => node.discovery.layers().find(({ name }) => name === "lan");
    expect(lan()).toMatchObject({ state: "running", detail: `${GROUP}:51830 on eth1` });
    expect(network.sent.map(({ from }) => from.split(":")[0])).not.toContain("192.0.2.1");
    node.underlay.changed([]);
    await clock.advance(100);
    expect(lan()).toMatchObject({ state: "degraded", detail: `${GROUP}:51830 on no link` });
    await node.crash();
  });

  test("of two links on one LAN make one announcement of what arrives twice", async () => {
    const network = newNetwork();
    network.setHost("a", ["192.0.2.1", "192.0.2.9"]);
    const a = new TestNode(clock, network, "a", "192.0.2.1");
    network.setHost("a", ["192.0.2.1", "192.0.2.9"]);
    a.underlay.links = [...a.underlay.links, { name: "eth1", index: 3, ipv4: ["192.0.2.9"] }];
    const b = new TestNode(clock, network, "b", "192.0.2.2");
    await b.start();
    await a.start();
    await clock.advance(30_000);
    const moves = b.discovery.counters().replayed ?? 0;
    expect(moves).toBeGreaterThan(2);
    expect(["192.0.2.1", "192.0.2.9"]).toContain(b.store.get(a.key)?.endpoint?.host);
    await a.crash();
    await b.crash();
  });

  test("leave the rest working when the multicast port cannot be had", async () => {
    const network = newNetwork();
    const a = new TestNode(clock, network, "a", "192.0.2.1", {
      bind: async (binding, handlers) => {
        if (binding.address === GROUP) throw Object.assign(new Error("EADDRINUSE"), { code: "EADDRINUSE" });
        return network.factory("a")(binding, handlers);
      },
    });
    const b = new TestNode(clock, network, "b", "192.0.2.2", {
      lan: false,
      staticPeers: [{ host: "192.0.2.1", port: GOSSIP_PORT }],
    });
    await a.start();
    await b.start();
    await clock.advance(500);
    expect(a.discovery.layers().find(({ name }) => name === "lan")).toMatchObject({
      state: "degraded",
      lastError: "EADDRINUSE",
    });
    expect(a.knowsAll([b]) && b.knowsAll([a])).toBe(true);
    await a.crash();
    await b.crash();
  });
});
