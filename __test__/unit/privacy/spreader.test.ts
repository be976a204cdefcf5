import { beforeEach, describe, expect, test } from "vitest";
import type { IpAddress, PublicKey } from "../../../src/core/types.ts";
import { spreading } from "../../../src/daemon/spreading.ts";
import type { Outcome } from "../../../src/privacy/spreader.ts";
import { decodeAnnouncement } from "../../../src/wire/announcement.ts";
import { DANDELION, encodeDandelion, type PassedAnnouncement } from "../../../src/wire/dandelion.ts";
import { openEnvelope, sealEnvelope } from "../../../src/wire/envelope.ts";
import {
  GOSSIP_PORT,
  isMesh,
  type NodeOptions,
  type TestNode,
  testAddresses,
  testKey,
  testSealer,
} from "../discovery/memoryMesh.ts";
import { useMemoryMesh } from "../discovery/useMemoryMesh.ts";
import { seededRandom } from "../support/seededRandom.ts";

const mesh = useMemoryMesh();

/** Each is told of the one before it. */
function addToChain(options: NodeOptions): Promise<TestNode> {
  const number = mesh.nodes.length + 1;
  const staticPeers = number === 1 ? [] : [{ host: `192.0.2.${number - 1}`, port: null }];
  return mesh.start(`n${number}`, `192.0.2.${number}`, { lan: false, staticPeers, ...options });
}

const privately = (): NodeOptions => ({ spreading: spreading(true, GOSSIP_PORT) });
const plainly = (): NodeOptions => ({ spreading: spreading(false, GOSSIP_PORT) });
/** Go nodes tell no run, and know nothing of stem and fluff. */
const likeGo: NodeOptions = { instance: "", gossip: "off" };

/** WireGuard's part: those that know each other have a tunnel. */
function tunnels(): void {
  for (const node of mesh.nodes) {
    for (const other of mesh.nodes) {
      const mutual = node.store.get(other.key) && other.store.get(node.key);
      if (mutual) node.store.noteHandshake(other.key, mesh.clock.wallMs());
    }
  }
}

async function passTime(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 500) {
    tunnels();
    await mesh.clock.advance(Math.min(left, 500));
  }
}

/** As an operator sees it. */
function outcomes(node: TestNode, outcome: Outcome): number {
  const families = node.metrics.snapshot();
  const counter = families.find(({ name }) => name === "wgmesh_dandelion_announcements_total");
  if (counter === undefined) throw new Error("nothing is counted");
  // What never happened has no sample yet.
  return Number(counter.samples.find(({ labels }) => labels.outcome === outcome)?.value ?? 0);
}

/** What was said on the underlay and in the mesh. */
function said(): { type: string; inMesh: boolean; names: number }[] {
  return mesh.network.sent.flatMap(({ data, to }) => {
    const envelope = openEnvelope(data, testSealer(), mesh.clock.wallMs());
    if (!envelope.ok) return [];
    const decoded = decodeAnnouncement(envelope.payload);
    const names = decoded.ok && envelope.type !== DANDELION ? decoded.value.knownPeers.length : 0;
    return [{ type: envelope.type, inMesh: to.startsWith("10.77."), names }];
  });
}

describe("a chain of nodes becomes a mesh", () => {
  test("of private ones, without a message that names a third, nor one by stem outside the tunnels", async () => {
    for (let index = 0; index < 6; index += 1) await addToChain(privately());
    await passTime(40_000);
    expect(isMesh(mesh.nodes)).toBe(true);
    const all = said();
    expect(all.filter(({ names }) => names > 0)).toEqual([]);
    const dandelions = all.filter(({ type }) => type === DANDELION);
    expect(dandelions.length).toBeGreaterThan(6);
    expect(dandelions.every(({ inMesh }) => inMesh)).toBe(true);
    for (const node of mesh.nodes) {
      expect(outcomes(node, "made")).toBeGreaterThan(0);
      expect(node.discovery.layers()).toContainEqual(
        expect.objectContaining({
          name: "privacy",
          state: "running",
          detail: expect.stringMatching(/^epoch 1 /),
        }),
      );
    }
  });

  test("of private ones and others, which are spoken for, and pass on what they hear", async () => {
    await addToChain(likeGo);
    await addToChain(privately());
    // What Go nodes are to hear of each other only a node that speaks to them can tell.
    const plain = await addToChain({ ...plainly(), gossip: "steady" });
    await addToChain(privately());
    await addToChain(likeGo);
    await passTime(120_000);
    expect(isMesh(mesh.nodes)).toBe(true);
    expect(outcomes(plain, "made") + outcomes(plain, "spoken_for")).toBe(0);
    expect(outcomes(plain, "spread") + outcomes(plain, "fluffed")).toBeGreaterThan(0);
    expect(plain.discovery.layers()).toContainEqual(
      expect.objectContaining({ name: "privacy", state: "off" }),
    );
  });
});

describe("what is said by stem and fluff", () => {
  let hearer: TestNode;
  let neighbour: TestNode;
  const random = seededRandom("nonces");

  beforeEach(async () => {
    hearer = await addToChain(privately());
    neighbour = await addToChain(privately());
    await passTime(5_000);
    expect(isMesh(mesh.nodes)).toBe(true);
  });

  const word = (origin: PublicKey, fields: Partial<PassedAnnouncement> = {}): PassedAnnouncement => ({
    origin,
    meshIp: testAddresses.meshIpv4(origin, 0) as IpAddress,
    endpoint: "198.51.100.9:51820",
    hopCount: 4,
    timestampSeconds: Math.floor(mesh.clock.wallMs() / 1000),
    nonce: random.bytes(16).toString("hex"),
    ageSeconds: 1,
    fluff: true,
    ...fields,
  });

  async function say(message: PassedAnnouncement, host: string): Promise<void> {
    const datagram = sealEnvelope(DANDELION, encodeDandelion(message), testSealer(), random);
    const to = { host: testAddresses.meshIpv4(hearer.key, 0), port: GOSSIP_PORT };
    mesh.network.inject({ host, port: GOSSIP_PORT }, to, datagram);
    await passTime(500);
  }

  const meshAddress = (node: TestNode): string => testAddresses.meshIpv4(node.key, 0);
  const stranger = testKey("stranger");

  test("counts as a mention by others, not as the peer's own word", async () => {
    await say(word(stranger, { ageSeconds: 30 }), meshAddress(neighbour));
    const peer = hearer.store.get(stranger);
    expect(peer).toMatchObject({
      endpoint: { host: "198.51.100.9", port: 51820 },
      endpointMethod: "gossip-transitive",
      lastSeenMs: 0,
      knowsUs: false,
      proven: false,
    });
    expect(hearer.store.heardAgoMs(stranger)).toBeGreaterThanOrEqual(30_000);
  });

  test("is refused when it does not come from a neighbour's mesh address", async () => {
    await say(word(stranger), neighbour.ip);
    await say(word(stranger), "10.77.9.9");
    expect(hearer.store.get(stranger)).toBeUndefined();
    expect(outcomes(hearer, "refused")).toBe(2);
  });

  test("moves no peer that speaks for itself", async () => {
    const before = hearer.store.get(neighbour.key);
    await say(word(neighbour.key), meshAddress(neighbour));
    expect(hearer.store.get(neighbour.key)?.endpoint).toEqual(before?.endpoint);
  });

  test("gives nobody an address that does not follow from its key, nor ours", async () => {
    await say(word(stranger, { meshIp: "10.77.200.200" as IpAddress }), meshAddress(neighbour));
    expect(hearer.store.get(stranger)?.meshIp).toBeNull();
    const thief = testKey("thief");
    await say(word(thief, { meshIp: hearer.self.snapshot.meshIp }), meshAddress(neighbour));
    expect(hearer.store.get(thief)?.meshIp).toBeNull();
  });

  test("leads no WireGuard into the mesh itself", async () => {
    await say(word(stranger, { endpoint: `${meshAddress(neighbour)}:51820` }), meshAddress(neighbour));
    expect(hearer.store.get(stranger)?.endpoint).toBeNull();
  });

  test("brings nobody back who has said goodbye", async () => {
    await say(word(stranger), meshAddress(neighbour));
    hearer.store.remove(stranger, "goodbye");
    await passTime(20_000);
    await say(word(stranger, { ageSeconds: 25 }), meshAddress(neighbour));
    expect(hearer.store.get(stranger)).toBeUndefined();
  });

  test("is for everybody at once where a stem has nowhere to go", async () => {
    const before = outcomes(hearer, "fluffed");
    await say(word(stranger, { fluff: false, hopCount: 0 }), meshAddress(neighbour));
    expect(outcomes(hearer, "fluffed")).toBe(before + 1);
    expect(hearer.store.get(stranger)).toBeDefined();
  });

  test("comes in no flood: one neighbour has its share", async () => {
    const before = outcomes(hearer, "spread");
    for (let number = 0; number < 30; number += 1) {
      for (let each = 0; each < 10; each += 1) {
        const datagram = sealEnvelope(
          DANDELION,
          encodeDandelion(word(testKey(`invented ${number} ${each}`))),
          testSealer(),
          random,
        );
        const to = { host: meshAddress(hearer), port: GOSSIP_PORT };
        mesh.network.inject({ host: meshAddress(neighbour), port: GOSSIP_PORT }, to, datagram);
      }
      await passTime(500);
    }
    const taken = outcomes(hearer, "spread") - before;
    expect(taken).toBeLessThanOrEqual(60 + 5 * 16);
    expect(outcomes(hearer, "limited")).toBeGreaterThan(100);
  });
});
