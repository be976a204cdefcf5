import { afterEach, beforeEach, expect, test } from "vitest";
import type { Cidr, Endpoint, IpAddress } from "../../../src/core/types.ts";
import { encodeAnnouncement } from "../../../src/wire/announcement.ts";
import { openEnvelope, sealEnvelope } from "../../../src/wire/envelope.ts";
import { encodeGoodbye } from "../../../src/wire/goodbye.ts";
import type { Announcement } from "../../../src/wire/types.ts";
import { seededRandom } from "../support/seededRandom.ts";
import { FakeClock } from "./fakeClock.ts";
import {
  GOSSIP_PORT,
  GROUP,
  isMesh,
  LAN_PORT,
  type NodeOptions,
  TestNode,
  testAddresses,
  testKey,
  testSealer,
} from "./memoryMesh.ts";
import { MemoryNetwork } from "./memoryNetwork.ts";

// Two nodes of ours that know each other, and a member of the mesh, so with its sealing key, who lies.

let clock: FakeClock;
let network: MemoryNetwork;
let alice: TestNode;
let bob: TestNode;
let probes: number;
const started: TestNode[] = [];
const sealer = testSealer();
const random = seededRandom("liar");
const liar: Endpoint = { host: "198.51.100.66", port: 40_001 };

async function start(name: string, last: number, options: NodeOptions = {}): Promise<TestNode> {
  const probe = async (): Promise<boolean> => {
    probes += 1;
    return false;
  };
  const node = new TestNode(clock, network, name, `192.0.2.${last}`, { probe, ...options });
  started.push(node);
  await node.start();
  return node;
}

beforeEach(async () => {
  clock = new FakeClock();
  const chance = seededRandom("network");
  network = new MemoryNetwork({ clock, unit: () => chance.unit() });
  probes = 0;
  [alice, bob] = [await start("alice", 1), await start("bob", 2)];
  await clock.until(() => isMesh([alice, bob]), 1_000);
  await clock.advance(3_000);
  for (const [one, other] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    one.store.noteHandshake(other.key, clock.wallMs());
  }
});

afterEach(async () => {
  for (const node of started) await node.crash();
  expect(started.flatMap(({ failures }) => failures)).toEqual([]);
  started.length = 0;
});

const seconds = (): number => Math.floor(clock.wallMs() / 1000);

function inAlicesName(change: Partial<Announcement> = {}): Announcement {
  return {
    publicKey: alice.key,
    hostname: "alice",
    meshIp: testAddresses.meshIpv4(alice.key, 0) as IpAddress,
    meshIpv6: null,
    wgEndpoint: "0.0.0.0:51820",
    introducer: false,
    natType: "",
    networks: [],
    timestampSeconds: seconds(),
    knownPeers: [],
    observedEndpoint: "",
    instance: "",
    ...change,
  };
}

async function lie(type: "HELLO" | "REPLY" | "ANNOUNCE", change: Partial<Announcement> = {}): Promise<void> {
  const payload = encodeAnnouncement(type, inAlicesName(change), 60_000).payload;
  network.inject(liar, { host: bob.ip, port: GOSSIP_PORT }, sealEnvelope(type, payload, sealer, random));
  await clock.advance(5);
}

const counter = (node: TestNode, name: string): number => node.discovery.counters()[name] ?? 0;

function sentToLiar(fromMs: number): string[] {
  const sent = network.sent.filter(({ to, atMs }) => to.startsWith(`${liar.host}:`) && atMs >= fromMs);
  return sent.map(({ data }) => JSON.parse(data.toString()).type);
}

test("nodes of ours have proved themselves to each other once they are a mesh", () => {
  expect(alice.store.get(bob.key)?.proven).toBe(true);
  expect(bob.store.get(alice.key)?.proven).toBe(true);
});

test.each(["HELLO", "REPLY", "ANNOUNCE"] as const)("a %s in another's name changes nothing", async (type) => {
  const before = bob.store.get(alice.key);
  await lie(type, {
    hostname: "evil",
    meshIp: "10.77.66.66" as IpAddress,
    wgEndpoint: "198.51.100.66:51820",
    networks: ["0.0.0.0/0" as Cidr],
    knownPeers: [inAlicesName({ publicKey: testKey("invented") })],
    instance: "00112233445566aa",
  });
  await clock.advance(2_000);
  expect(bob.store.get(alice.key)).toBe(before);
  expect(bob.store.get(testKey("invented"))).toBeUndefined();
  expect(counter(bob, "unproven")).toBeGreaterThan(0);
});

test("it costs one HELLO at once, then ever fewer, however many come", async () => {
  const fromMs = clock.monotonicMs();
  for (let index = 0; index < 600; index += 1) {
    await lie("HELLO", { hostname: `h${index}` });
    await clock.advance(195);
  }
  const types = sentToLiar(fromMs);
  expect(new Set(types)).toEqual(new Set(["HELLO"]));
  // In two minutes: at 0, 5, 15, 35 and 75 s, each sent six times until it is given up.
  expect(types.length).toBeGreaterThanOrEqual(6);
  expect(types.length).toBeLessThanOrEqual(5 * 6);
});

test("a GOODBYE in another's name evicts nobody and costs no probe; its owner's counts at once", async () => {
  const goodbye = sealEnvelope("GOODBYE", encodeGoodbye(alice.key, seconds()), sealer, random);
  network.inject(liar, { host: bob.ip, port: GOSSIP_PORT }, goodbye);
  await clock.advance(10_000);
  expect(bob.store.get(alice.key)).toBeDefined();
  expect(probes).toBe(0);

  const leaving = alice.discovery.goodbye();
  await clock.advance(100);
  await leaving;
  expect(bob.store.get(alice.key)).toBeUndefined();
  expect(probes).toBe(0);
});

test("nobody can speak in its name after its record is gone", async () => {
  bob.store.remove(alice.key, "expired");
  await alice.crash();
  await lie("HELLO");
  expect(bob.store.get(alice.key)).toBeUndefined();
});

test("a proven message that is sealed anew by another member is a replay", async () => {
  const hello = network.sent.find(({ from, to, data }) => {
    const ours = from === `${alice.ip}:${GOSSIP_PORT}` && to === `${bob.ip}:${GOSSIP_PORT}`;
    return ours && data.includes('"type":"HELLO"');
  });
  const reply = network.sent.find(({ from, to, data }) => {
    const ours = from === `${alice.ip}:${GOSSIP_PORT}` && to === `${bob.ip}:${GOSSIP_PORT}`;
    return ours && data.includes('"type":"REPLY"');
  });
  const record = bob.store.get(alice.key);
  let resealed = 0;
  for (const captured of [hello, reply]) {
    const envelope = captured && openEnvelope(captured.data, sealer, clock.wallMs());
    if (!envelope?.ok || !envelope.plaintext.includes('"proof"')) continue;
    const again = sealEnvelope(envelope.type, envelope.plaintext.toString(), sealer, random);
    // A REPLY that nobody waits for is not even opened.
    const refused = (): number => counter(bob, "replayed") + counter(bob, "unsolicitedReplies");
    const before = refused();
    network.inject(liar, { host: bob.ip, port: GOSSIP_PORT }, again);
    await clock.advance(5);
    expect(refused()).toBe(before + 1);
    resealed += 1;
  }
  expect(resealed).toBeGreaterThan(0);
  expect(bob.store.get(alice.key)).toBe(record);
});

test("a node that restarts and has forgotten everybody is heard at once", async () => {
  await alice.crash();
  await clock.advance(5_000);
  alice = await start("alice", 1, { instance: "00112233445566aa" });
  const tookMs = await clock.until(
    () => isMesh([alice, bob]) && bob.store.get(alice.key)?.instance === "00112233445566aa",
    2_000,
  );
  expect(tookMs).toBeLessThanOrEqual(100);
});

test("one that restarts at another address of the LAN, too", async () => {
  await alice.crash();
  await clock.advance(5_000);
  alice = await start("alice", 77, { instance: "00112233445566ab" });
  const tookMs = await clock.until(() => isMesh([alice, bob]), 2_000);
  expect(tookMs).toBeLessThanOrEqual(100);
});

test("a LAN announcement in another's name moves nothing; the truth of the LAN stays for minutes", async () => {
  const payload = encodeAnnouncement(
    "ANNOUNCE",
    inAlicesName({ instance: "00112233445566ac" }),
    1_200,
  ).payload;
  const before = bob.store.get(alice.key);
  const forged = sealEnvelope("ANNOUNCE", payload, sealer, random);
  network.inject({ host: "192.0.2.99", port: 5 }, { host: GROUP, port: LAN_PORT }, forged);
  await clock.advance(1_000);
  expect(bob.store.get(alice.key)).toBe(before);
  expect(before).toMatchObject({ endpointMethod: "lan", endpoint: { host: alice.ip } });

  for (let minute = 0; minute < 30; minute += 1) {
    for (const [one, other] of [
      [alice, bob],
      [bob, alice],
    ] as const) {
      one.store.noteHandshake(other.key, clock.wallMs());
    }
    await clock.advance(60_000);
    for (const [one, other] of [
      [alice, bob],
      [bob, alice],
    ] as const) {
      expect(one.store.get(other.key)).toMatchObject({ endpointMethod: "lan", endpoint: { host: other.ip } });
      expect(clock.wallMs() - (one.store.get(other.key)?.endpointAtMs ?? 0)).toBeLessThan(5 * 60_000);
    }
  }
});
