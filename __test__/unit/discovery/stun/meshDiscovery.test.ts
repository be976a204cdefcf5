import { afterEach, beforeEach, expect, test } from "vitest";
import type { Endpoint } from "../../../../src/core/types.ts";
import { decodeMessage, encodeMessage } from "../../../../src/discovery/stun/message.ts";
import type { UdpSocket } from "../../../../src/discovery/udpSocket.ts";
import { MemoryWireguardPort } from "../../../../src/wireguard/memoryWireguardPort.ts";
import { FakeClock } from "../fakeClock.ts";
import { GOSSIP_PORT, TestNode } from "../memoryMesh.ts";
import { MemoryNetwork } from "../memoryNetwork.ts";

const SERVERS = [
  { host: "198.51.100.1", port: 3478 },
  { host: "198.51.100.2", port: 3478 },
];

let clock: FakeClock;
let network: MemoryNetwork;
let sockets: UdpSocket[];
let nodes: TestNode[];
/** What servers say the control socket looks like. */
let seen: (server: Endpoint) => Endpoint;

beforeEach(async () => {
  clock = new FakeClock();
  network = new MemoryNetwork({ clock, unit: () => 0.5 });
  sockets = [];
  nodes = [];
  seen = () => ({ host: "203.0.113.9", port: 40_000 });
  for (const server of SERVERS) {
    network.setHost(server.host, [server.host]);
    const socket = await network.factory(server.host)(
      { family: "udp4", address: server.host, port: server.port },
      {
        datagram(data, { address, port }) {
          const request = decodeMessage(data);
          if (request?.class !== "request") return;
          const answer = encodeMessage("success", request.transactionId, { mapped: seen(server) });
          socket.send(answer, port, address, () => {});
        },
        error: () => {},
      },
    );
    sockets.push(socket);
  }
});

afterEach(async () => {
  for (const node of nodes) await node.crash();
  for (const socket of sockets) socket.close();
  expect(nodes.flatMap(({ failures }) => failures)).toEqual([]);
});

async function start(name: string, host: string, wireguardPort?: MemoryWireguardPort): Promise<TestNode> {
  const options = { stunServers: SERVERS, ...(wireguardPort === undefined ? {} : { wireguardPort }) };
  const node = new TestNode(clock, network, name, host, options);
  nodes.push(node);
  await node.start();
  return node;
}

/** Datagrams that came to the receive path of messages, our own multicast left out. */
function strangersIn(node: TestNode): number {
  const { received = 0, own = 0 } = node.discovery.counters();
  return received - own;
}

/** Answers what was asked from WireGuard's port, as servers that see it at `mapped`. */
function answerFromPort(port: MemoryWireguardPort, mapped: Endpoint): void {
  for (const { data, to } of port.sent) {
    const request = decodeMessage(Buffer.from(data));
    if (request) port.receive(encodeMessage("success", request.transactionId, { mapped }), to);
  }
}

test("the control socket is asked beside the exchange, and its answers are no rejected datagrams", async () => {
  const node = await start("a", "192.168.1.2");
  await clock.advance(50);
  expect(node.self.snapshot).toMatchObject({
    externalHost: "203.0.113.9",
    externalControl: { host: "203.0.113.9", port: 40_000 },
    natType: "cone",
    candidates: [
      { host: "203.0.113.9", port: 51_820 },
      { host: "192.168.1.2", port: 51_820 },
    ],
  });
  expect(strangersIn(node)).toBe(0);
  expect(node.discovery.layers()).toContainEqual({
    name: "stun",
    state: "running",
    detail: "203.0.113.9:40000 (cone); 2 of 2 servers answer",
    lastError: null,
  });
});

test("the port a NAT gave WireGuard is told to members, but not to those on the LAN", async () => {
  const port = new MemoryWireguardPort();
  const near = await start("near", "192.168.1.2", port);
  const far = await start("far", "192.168.7.2");
  await clock.advance(5);
  answerFromPort(port, { host: "203.0.113.9", port: 40_001 });
  await clock.advance(50);
  expect(near.self.snapshot).toMatchObject({ externalHost: "203.0.113.9", externalWireguardPort: 40_001 });

  far.discovery.announce();
  near.discovery.announce();
  const to = { host: far.ip, port: GOSSIP_PORT };
  far.store.observe({
    publicKey: near.key,
    method: "static",
    controlEndpoint: { host: near.ip, port: GOSSIP_PORT },
  });
  near.store.observe({ publicKey: far.key, method: "static", controlEndpoint: to });
  near.discovery.announce();
  await clock.advance(500);
  expect(far.store.get(near.key)?.endpoint).toEqual({ host: "203.0.113.9", port: 40_001 });

  const neighbour = await start("neighbour", "192.168.1.3");
  await clock.until(() => neighbour.store.get(near.key)?.knowsUs === true, 5_000);
  await clock.advance(20_000);
  expect(neighbour.store.get(near.key)?.endpoint).toEqual({ host: "192.168.1.2", port: 51_820 });
});

test("a symmetric NAT: the address with the own port", async () => {
  let port = 40_000;
  seen = () => {
    port += 1;
    return { host: "203.0.113.9", port };
  };
  const node = await start("a", "192.168.1.2");
  await clock.advance(50);
  expect(node.self.snapshot).toMatchObject({
    externalHost: "203.0.113.9",
    externalWireguardPort: null,
    externalControl: null,
    natType: "symmetric",
  });
});

test("a stranger's STUN draws no answer and costs the exchange nothing", async () => {
  const node = await start("a", "192.168.1.2");
  await clock.advance(50);
  const before = network.sent.length;
  const from = { host: "192.0.2.66", port: 666 };
  for (let index = 0; index < 1_000; index += 1) {
    const kind = index % 2 === 0 ? "request" : "success";
    network.inject(
      from,
      { host: "192.168.1.2", port: GOSSIP_PORT },
      encodeMessage(kind, Buffer.alloc(12, index), { mapped: from }),
    );
  }
  await clock.advance(50);
  expect(network.sent.length - before).toBe(1_000);
  expect(strangersIn(node)).toBe(0);
  expect(node.self.snapshot.externalHost).toBe("203.0.113.9");
});

test("another network: forgotten at once, asked at once", async () => {
  const node = await start("a", "192.168.1.2");
  await clock.advance(5_000);
  seen = () => ({ host: "192.0.2.50", port: 9 });
  network.setHost("a", ["192.168.9.2"]);
  node.underlay.changed([{ name: "eth0", index: 2, ipv4: ["192.168.9.2"] }]);
  expect(node.self.snapshot.externalHost).toBeNull();
  await clock.advance(100);
  expect(node.self.snapshot.externalHost).toBe("192.0.2.50");
});

test("after sleep the address is asked for at once, and every peer gets a HELLO", async () => {
  const node = await start("a", "192.168.1.2");
  const peer = await start("b", "192.168.7.2");
  node.store.observe({
    publicKey: peer.key,
    method: "static",
    controlEndpoint: { host: peer.ip, port: GOSSIP_PORT },
  });
  await clock.until(() => peer.knowsAll([node]), 10_000).catch(() => {});
  await clock.advance(12_000);
  seen = () => ({ host: "192.0.2.50", port: 9 });
  const before = network.sent.length;
  node.underlay.woke();
  await clock.advance(150);
  const sent = network.sent.slice(before).filter(({ from }) => from.startsWith("192.168.1.2:"));
  expect(sent.some(({ to }) => to === "192.168.7.2:52000")).toBe(true);
  expect(node.self.snapshot.externalHost).toBe("192.0.2.50");
});
