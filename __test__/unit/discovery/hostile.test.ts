import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Endpoint, endpointText, type IpAddress } from "../../../src/core/types.ts";
import { encodeAnnouncement } from "../../../src/wire/announcement.ts";
import { sealEnvelope } from "../../../src/wire/envelope.ts";
import { encodeGoodbye } from "../../../src/wire/goodbye.ts";
import type { Announcement, MessageType } from "../../../src/wire/types.ts";
import { seededRandom } from "../support/seededRandom.ts";
import { FakeClock } from "./fakeClock.ts";
import {
  GOSSIP_PORT,
  GROUP,
  LAN_PORT,
  type NodeOptions,
  TestNode,
  testAddresses,
  testKey,
  testSealer,
} from "./memoryMesh.ts";
import { MemoryNetwork } from "./memoryNetwork.ts";

let clock: FakeClock;
let network: MemoryNetwork;
let node: TestNode;
let probes: string[];
let probeAnswers: boolean;
const random = seededRandom("attacker");
const sealer = testSealer();
const home: Endpoint = { host: "192.0.2.1", port: GOSSIP_PORT };
const stranger: Endpoint = { host: "198.51.100.66", port: 40_001 };

beforeEach(async () => {
  clock = new FakeClock();
  const chance = seededRandom("network");
  network = new MemoryNetwork({ clock, unit: () => chance.unit() });
  probes = [];
  probeAnswers = true;
  await startNode();
});

afterEach(async () => {
  await node.crash();
  expect(node.failures).toEqual([]);
});

async function startNode(options: NodeOptions = {}): Promise<void> {
  const probe = async (key: string): Promise<boolean> => {
    probes.push(key);
    return probeAnswers;
  };
  node = new TestNode(clock, network, "victim", home.host, { probe, ...options });
  await node.start();
  await clock.advance(10);
}

function announcementOf(name: string, change: Partial<Announcement> = {}): Announcement {
  return {
    publicKey: testKey(name),
    hostname: name,
    meshIp: testAddresses.meshIpv4(testKey(name), 0) as IpAddress,
    meshIpv6: null,
    wgEndpoint: "0.0.0.0:51820",
    introducer: false,
    natType: "",
    networks: [],
    timestampSeconds: Math.floor(clock.wallMs() / 1000),
    knownPeers: [],
    observedEndpoint: "",
    instance: "",
    ...change,
  };
}

function sealed(type: MessageType, announcement: Announcement): Buffer {
  return sealEnvelope(type, encodeAnnouncement(type, announcement, 60_000).payload, sealer, random);
}

function goodbyeOf(name: string): Buffer {
  const payload = encodeGoodbye(testKey(name), Math.floor(clock.wallMs() / 1000));
  return sealEnvelope("GOODBYE", payload, sealer, random);
}

async function deliver(data: Buffer, from: Endpoint, to: Endpoint = home): Promise<void> {
  network.inject(from, to, data);
  await clock.advance(2);
}

/** Everything the node sent to an address since `fromMs`. */
function sentTo(address: Endpoint, fromMs = 0): Buffer[] {
  const to = endpointText(address);
  return network.sent.filter((sent) => sent.to === to && sent.atMs >= fromMs).map(({ data }) => data);
}

const typeOf = (data: Buffer): string => JSON.parse(data.toString()).type;
const peerAt = (last: number): Endpoint => ({ host: `192.0.2.${last}`, port: GOSSIP_PORT });
const counter = (name: string): number => node.discovery.counters()[name] ?? 0;

describe("replayed datagrams", () => {
  test("a HELLO repeated from its own address is answered and changes nothing", async () => {
    const hello = sealed("HELLO", announcementOf("a"));
    await deliver(hello, peerAt(2));
    const peer = node.store.get(testKey("a"));
    await clock.advance(300);
    await deliver(hello, peerAt(2));
    expect(sentTo(peerAt(2)).filter((data) => typeOf(data) === "REPLY")).toHaveLength(2);
    expect(node.store.get(testKey("a"))).toBe(peer);
    expect(counter("replayed")).toBe(1);
  });

  test("from another address it is dropped: no answer, no endpoint", async () => {
    const hello = sealed("HELLO", announcementOf("a"));
    await deliver(hello, peerAt(2));
    await deliver(hello, stranger);
    expect(sentTo(stranger)).toEqual([]);
    expect(node.store.get(testKey("a"))?.endpoint).toEqual({ host: "192.0.2.2", port: 51_820 });
    expect(node.store.get(testKey("a"))?.controlEndpoint).toEqual(peerAt(2));
  });

  test("one that is new to us but comes from elsewhere moves no working tunnel", async () => {
    await deliver(sealed("HELLO", announcementOf("a")), peerAt(2));
    node.store.noteHandshake(testKey("a"), clock.wallMs());
    await deliver(sealed("HELLO", announcementOf("a")), stranger);
    expect(node.store.get(testKey("a"))?.endpoint).toEqual({ host: "192.0.2.2", port: 51_820 });
    expect(node.store.get(testKey("a"))?.controlEndpoint).toEqual(peerAt(2));
  });

  test("an address that never answered gets at most three times its bytes as REPLY", async () => {
    for (let index = 0; index < 60; index += 1) {
      await deliver(sealed("HELLO", announcementOf(`p${index}`)), peerAt(index + 10));
    }
    const hello = sealed(
      "HELLO",
      announcementOf("p3", { timestampSeconds: Math.floor(clock.wallMs() / 1000) - 5 }),
    );
    const fromMs = clock.monotonicMs();
    await deliver(hello, stranger);
    const replies = sentTo(stranger, fromMs).filter((data) => typeOf(data) === "REPLY");
    const bytes = replies.reduce((sum, data) => sum + data.length, 0);
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThanOrEqual(3 * hello.length);
  });
});

describe("relabelled and forged messages", () => {
  test("a captured ANNOUNCE or HELLO with its type changed to GOODBYE evicts nobody", async () => {
    await deliver(sealed("HELLO", announcementOf("a")), peerAt(2));
    for (const type of ["ANNOUNCE", "HELLO", "REPLY"] as const) {
      const captured = sealed(type, announcementOf("a"));
      const relabelled = Buffer.from(captured.toString().replace(`"type":"${type}"`, '"type":"GOODBYE"'));
      await deliver(relabelled, peerAt(2));
    }
    expect(node.store.get(testKey("a"))).toBeDefined();
    expect(counter("fieldsRejected")).toBe(3);
    expect(counter("goodbyes")).toBe(0);
  });

  test("an unsolicited REPLY changes nothing, neither peers nor our own address", async () => {
    const reply = announcementOf("a", {
      observedEndpoint: "203.0.113.99:1234",
      knownPeers: [announcementOf("b", { wgEndpoint: "203.0.113.5:51820" })],
    });
    await deliver(sealed("REPLY", reply), peerAt(2));
    expect(node.store.list()).toEqual([]);
    expect(node.self.snapshot.externalHost).toBeNull();
    expect(counter("unsolicitedReplies")).toBe(1);
  });

  test("a second REPLY to one HELLO does not count, and one from another address neither", async () => {
    const captureHello = sealed("HELLO", announcementOf("a"));
    await deliver(captureHello, peerAt(2));
    await clock.advance(300);
    // The first peer is asked for all it knows, so a HELLO to it is open now.
    expect(sentTo(peerAt(2)).map(typeOf)).toContain("HELLO");
    await deliver(sealed("REPLY", announcementOf("a", { hostname: "elsewhere" })), stranger);
    await deliver(sealed("REPLY", announcementOf("a", { hostname: "first" })), peerAt(2));
    await deliver(sealed("REPLY", announcementOf("a", { hostname: "second" })), peerAt(2));
    expect(node.store.get(testKey("a"))?.hostname).toBe("first");
    expect(counter("unsolicitedReplies")).toBe(2);
  });

  test("one member alone cannot move an address of ours that is known, two can", async () => {
    const answer = async (name: string, last: number, observedEndpoint: string): Promise<void> => {
      await deliver(sealed("HELLO", announcementOf(name)), peerAt(last));
      node.discovery.announce();
      await clock.advance(70);
      expect(sentTo(peerAt(last)).map(typeOf)).toContain("HELLO");
      await deliver(sealed("REPLY", announcementOf(name, { observedEndpoint })), peerAt(last));
      await clock.advance(2_000);
    };
    await answer("a", 2, "203.0.113.1:1");
    expect(node.self.snapshot.externalHost).toBe("203.0.113.1");
    await answer("b", 3, "203.0.113.66:1");
    expect(node.self.snapshot.externalHost).toBe("203.0.113.1");
    await answer("c", 4, "203.0.113.66:1");
    expect(node.self.snapshot.externalHost).toBe("203.0.113.66");
  });

  test("a member that claims our mesh address is a peer without that address", async () => {
    const claim = announcementOf("a", { meshIp: node.self.snapshot.meshIp });
    await deliver(sealed("HELLO", claim), peerAt(2));
    expect(node.store.get(testKey("a"))?.meshIp).toBeNull();
  });

  test("a message in our own name is dropped", async () => {
    await deliver(sealed("HELLO", announcementOf("victim")), stranger);
    expect(node.store.list()).toEqual([]);
    expect(sentTo(stranger)).toEqual([]);
    expect(counter("own")).toBeGreaterThan(0);
  });
});

describe("endpoints inside the mesh", () => {
  test("are taken from no advertisement, source or mention", async () => {
    const inside = { host: "10.77.3.4", port: GOSSIP_PORT };
    await deliver(sealed("HELLO", announcementOf("a", { wgEndpoint: "10.77.9.9:51820" })), peerAt(2));
    await deliver(sealed("ANNOUNCE", announcementOf("b")), inside);
    const mention = announcementOf("d", { wgEndpoint: "10.77.1.1:51820" });
    await deliver(sealed("HELLO", announcementOf("c", { knownPeers: [mention] })), peerAt(4));
    for (const name of ["a", "b", "d"]) {
      expect(node.store.get(testKey(name))).toMatchObject({ endpoint: null });
    }
    expect(node.store.get(testKey("b"))?.controlEndpoint).toBeNull();
    await clock.advance(5_000);
    expect(network.sent.filter(({ to }) => to.startsWith("10.77."))).toEqual([]);
  });

  test("a LAN announcement from there is refused", async () => {
    network.setHost("victim", [home.host, "10.77.3.9"]);
    node.underlay.changed([...node.underlay.links, { name: "wg9", index: 9, ipv4: ["10.77.3.9"] }]);
    await clock.advance(50);
    const group = { host: GROUP, port: LAN_PORT };
    await deliver(sealed("ANNOUNCE", announcementOf("a")), { host: "10.77.3.4", port: 5 }, group);
    expect(counter("refused")).toBe(1);
    expect(node.store.get(testKey("a"))).toBeUndefined();
    await deliver(sealed("ANNOUNCE", announcementOf("a")), { host: "192.0.2.4", port: 5 }, group);
    expect(node.store.get(testKey("a"))?.endpoint).toEqual({ host: "192.0.2.4", port: 51_820 });
  });
});

describe("GOODBYE", () => {
  test("counts at once without a fresh handshake, and a mention does not undo it", async () => {
    await deliver(sealed("HELLO", announcementOf("a")), peerAt(2));
    await deliver(goodbyeOf("a"), stranger);
    expect(node.store.get(testKey("a"))).toBeUndefined();
    expect(probes).toEqual([]);
    const mention = announcementOf("a", { wgEndpoint: "192.0.2.2:51820" });
    await deliver(sealed("HELLO", announcementOf("b", { knownPeers: [mention] })), peerAt(3));
    expect(node.store.get(testKey("a"))).toBeUndefined();
    await clock.advance(1_000);
    await deliver(sealed("HELLO", announcementOf("a")), peerAt(2));
    expect(node.store.get(testKey("a"))).toBeDefined();
  });

  test("of a peer with a fresh handshake counts only when the probe fails", async () => {
    await deliver(sealed("HELLO", announcementOf("a")), peerAt(2));
    node.store.noteHandshake(testKey("a"), clock.wallMs());
    await deliver(goodbyeOf("a"), stranger);
    expect(probes).toHaveLength(1);
    expect(node.store.get(testKey("a"))).toBeDefined();
    probeAnswers = false;
    await clock.advance(6_000);
    await deliver(goodbyeOf("a"), peerAt(2));
    expect(probes).toHaveLength(2);
    expect(node.store.get(testKey("a"))).toBeUndefined();
  });

  test("a thousand forged ones cost one probe in five seconds, and the last is still looked at", async () => {
    await deliver(sealed("HELLO", announcementOf("a")), peerAt(2));
    node.store.noteHandshake(testKey("a"), clock.wallMs());
    for (let index = 0; index < 1_000; index += 1) {
      const source = { host: `198.51.${100 + (index >> 8)}.${index & 255}`, port: 9 };
      network.inject(source, home, goodbyeOf("a"));
    }
    await clock.advance(20);
    expect(probes).toHaveLength(1);
    await clock.advance(12_000);
    expect(probes).toHaveLength(2);
    expect(node.store.get(testKey("a"))).toBeDefined();
  });

  test("older than the peer's newest word is ignored", async () => {
    const old = goodbyeOf("a");
    await clock.advance(3_000);
    await deliver(sealed("HELLO", announcementOf("a")), peerAt(2));
    await deliver(old, peerAt(2));
    expect(node.store.get(testKey("a"))).toBeDefined();
  });
});

describe("good manners", () => {
  test("of many who announce at once, one whose HELLO comes first gets a REPLY and no HELLO", async () => {
    const group = { host: GROUP, port: LAN_PORT };
    for (let index = 2; index < 30; index += 1) {
      network.inject(
        { host: `192.0.2.${index}`, port: 5 },
        group,
        sealed("ANNOUNCE", announcementOf(`p${index}`)),
      );
    }
    await clock.advance(1);
    const met = (address: Endpoint): boolean => sentTo(address).some((data) => typeOf(data) === "HELLO");
    const late = Array.from({ length: 28 }, (_, index) => index + 2).filter((last) => !met(peerAt(last)));
    expect(late.length).toBeGreaterThan(5);
    for (const last of late) network.inject(peerAt(last), home, sealed("HELLO", announcementOf(`p${last}`)));
    await clock.advance(150);
    const answers = late.map((last) => sentTo(peerAt(last)).map(typeOf));
    expect(answers.filter((types) => types.includes("REPLY"))).toHaveLength(late.length);
    // But for those whose turn came while their HELLO was on its way, and the few that a new node asks for all they know.
    expect(answers.filter((types) => types.join() !== "REPLY").length).toBeLessThanOrEqual(3);
  });

  test("after its GOODBYE a node answers nothing and takes nothing in", async () => {
    await deliver(sealed("HELLO", announcementOf("a")), peerAt(2));
    const leaving = node.discovery.goodbye();
    await clock.advance(100);
    await leaving;
    expect(sentTo(peerAt(2)).map(typeOf).slice(-2)).toEqual(["GOODBYE", "GOODBYE"]);
    const fromMs = clock.monotonicMs();
    await deliver(sealed("HELLO", announcementOf("b")), peerAt(3));
    node.discovery.announce();
    await clock.advance(20_000);
    expect(network.sent.filter(({ atMs, from }) => atMs >= fromMs && from.startsWith(home.host))).toEqual([]);
    expect(node.store.get(testKey("b"))).toBeUndefined();
  });
});

describe("a flood", () => {
  const flip = (data: Buffer, count: number): Buffer => {
    const copy = Buffer.from(data);
    for (let index = 0; index < count; index += 1) {
      copy[Math.floor(random.unit() * copy.length)] = Math.floor(random.unit() * 256);
    }
    return copy;
  };
  const heapMiB = (): number => {
    setFlagsFromString("--expose-gc");
    runInNewContext("gc")();
    return process.memoryUsage().heapUsed / 2 ** 20;
  };

  /** Half are random damage to a datagram, half are sealed correctly around a damaged payload. */
  function mutated(index: number, text: string, base: Buffer): Buffer {
    if (index % 1_000 === 0) return Buffer.from("x".repeat(index % 99));
    if (index % 2 === 0) return flip(base, 1 + (index % 4));
    const payload = index % 10 === 1 ? Buffer.from(text) : flip(Buffer.from(text), 1 + (index % 3));
    const type = (["HELLO", "REPLY", "ANNOUNCE", "GOODBYE", "RENDEZVOUS_OFFER"] as const)[(index >> 4) % 5];
    const nonce = random.bytes(12);
    const ciphertext = sealer.seal(nonce, payload).toString("base64");
    return Buffer.from(JSON.stringify({ type, nonce: nonce.toString("base64"), ciphertext }));
  }

  test("of 100,000 mutated datagrams reaches every stage, breaks nothing and keeps no memory", async () => {
    network.record = false;
    await deliver(sealed("HELLO", announcementOf("a")), peerAt(2));
    const known = [announcementOf("b", { wgEndpoint: "203.0.113.5:51820" }), announcementOf("d")];
    const text = encodeAnnouncement("HELLO", announcementOf("c", { knownPeers: known }), 60_000).payload;
    const base = sealed("HELLO", announcementOf("c"));
    let last = base;
    let halfMiB = 0;
    for (let index = 0; index < 100_000; index += 1) {
      const repeated = index % 500 === 3;
      if (!repeated) last = mutated(index, text, base);
      const flooder = index % 50 === 0;
      const host = flooder ? "198.51.100.1" : `203.0.${113 + (index % 4)}.${(index >> 2) % 250}`;
      network.inject({ host, port: 1_024 + (index % 3) }, home, last);
      if (index % 100 === 99) await clock.advance(60);
      if (index === 50_000) halfMiB = heapMiB();
    }
    await clock.advance(1_000);
    const growthMiB = heapMiB() - halfMiB;
    const counters = node.discovery.counters();
    console.log(`heap grew by ${growthMiB.toFixed(1)} MiB`, counters);
    for (const stage of [
      "received",
      "sizeRejected",
      "limited",
      "sealRejected",
      "sealOpened",
      "fieldsRejected",
      "fieldsAccepted",
      "replayed",
      "stored",
    ]) {
      expect(counters[stage], stage).toBeGreaterThan(0);
    }
    expect(counters.received).toBeGreaterThan(100_000);
    expect(growthMiB).toBeLessThan(16);
    expect(node.store.get(testKey("a"))).toBeDefined();
    expect(node.failures).toEqual([]);
    // Still in working order.
    await deliver(sealed("HELLO", announcementOf("late")), peerAt(9));
    expect(node.store.get(testKey("late"))?.knowsUs).toBe(true);
  }, 60_000);
});
