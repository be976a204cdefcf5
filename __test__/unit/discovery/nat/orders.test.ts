/** What members can make a node send by naming addresses: bounded, and only after it asked (weak points 10 and 21). */
import { beforeEach, describe, expect, test } from "vitest";
import type { Endpoint, PublicKey } from "../../../../src/core/types.ts";
import { sealEnvelope } from "../../../../src/wire/envelope.ts";
import { pairId } from "../../../../src/wire/pairs.ts";
import { withProof } from "../../../../src/wire/proof.ts";
import { encodeOffer, encodeStart, type Start } from "../../../../src/wire/rendezvous.ts";
import type { MessageType } from "../../../../src/wire/types.ts";
import { testProver } from "../../support/prover.ts";
import { seededRandom } from "../../support/seededRandom.ts";
import { FakeClock } from "../fakeClock.ts";
import { GOSSIP_PORT, testKey, testSealer } from "../memoryMesh.ts";
import { NatNetwork } from "./natNetwork.ts";
import { NatNode } from "./natNode.ts";

const VICTIM: Endpoint = { host: "198.51.100.77", port: 53 };

let clock: FakeClock;
let network: NatNetwork;
let hub: NatNode;
let node: NatNode;
const random = seededRandom("orders");

beforeEach(async () => {
  clock = new FakeClock();
  network = new NatNetwork(clock, () => random.unit());
  hub = new NatNode(clock, network, "hub", { kind: "O" });
  node = new NatNode(clock, network, "node", { kind: "M", peers: [hub.publicIp] });
  await hub.node.start();
  await node.node.start();
  await clock.until(() => hub.isConnectedTo(node) && node.isConnectedTo(hub), 10_000);
  return async () => {
    for (const one of [hub, node]) {
      await one.node.crash();
      expect(one.node.failures).toEqual([]);
    }
  };
});

/** A message of the holder of a key to `node`, over the control socket. */
function say(speaker: string, type: MessageType, payload: string): void {
  const prover = testProver(testKey(speaker));
  const proven = withProof(payload, type, node.key, prover, random.bytes(6));
  network.inject(
    hub.control,
    { host: node.publicIp, port: GOSSIP_PORT },
    sealEnvelope(type, proven, testSealer(), random),
  );
}

function startTo(peer: PublicKey, startInMs = 0, change: Partial<Start> = {}): string {
  return encodeStart({
    ...{
      peer,
      pairId: pairId(node.key, peer),
      introducer: hub.key,
      timestampSeconds: Math.floor(clock.wallMs() / 1000),
    },
    ...{ candidates: [VICTIM], wireguardCandidates: [VICTIM], natType: "symmetric" },
    ...{ startAtMs: 0, startInMs, delayMs: 0, ...change },
  });
}

const atVictim = (): number => network.packetsTo.get(VICTIM.host) ?? 0;

describe("orders of a member", () => {
  test("a START nobody asked for moves nothing", async () => {
    for (let index = 0; index < 50; index++) {
      say("hub", "RENDEZVOUS_START", startTo(testKey(`stranger ${index}`)));
      await clock.advance(100);
    }
    await clock.advance(10_000);
    expect(atVictim()).toBe(0);
  });

  test("one that was asked for sends to a named victim only so much", async () => {
    // A peer that only the hub knows: the node asks the hub for it.
    const peer = testKey("made up");
    const meshIp = node.node.context.addresses.meshIpv4(peer, 0) as never;
    node.node.store.observe({ publicKey: peer, method: "dht-transitive", meshIp });
    await clock.advance(2_000);
    for (let second = 0; second < 600; second++) {
      say("hub", "RENDEZVOUS_START", startTo(peer));
      await clock.advance(1_000);
    }
    expect(atVictim()).toBeGreaterThan(0);
    // Ten minutes of it: what a spray may take at most, and a few probes a second.
    expect(atVictim() / 600).toBeLessThan(20);
  });

  test("many invented peers at one victim open no more sockets towards it than one may", async () => {
    const peers = Array.from({ length: 30 }, (_, index) => testKey(`made up ${index}`));
    for (const peer of peers) {
      const meshIp = node.node.context.addresses.meshIpv4(peer, 0) as never;
      node.node.store.observe({ publicKey: peer, method: "dht-transitive", meshIp });
    }
    await clock.advance(2_000);
    for (let second = 0; second < 25; second++) {
      for (const peer of peers)
        say("hub", "RENDEZVOUS_START", startTo(peer, 0, { natType: "cone", delayMs: 300 }));
      await clock.advance(1_000);
    }
    // Four times 256 sockets, the probes that one address may get (150 at once, then ten a second), and HELLOs.
    expect(atVictim()).toBeGreaterThan(256);
    expect(atVictim()).toBeLessThanOrEqual(1_024 + 150 + 10 * 27 + 100);
  });

  test("an introducer answers for those it knows only, and an OFFER in another's name is nobody's", async () => {
    const sentBefore = network.packetsTo.get(hub.publicIp) ?? 0;
    const offer = encodeOffer({
      ...{ from: hub.key, target: testKey("unknown"), timestampSeconds: Math.floor(clock.wallMs() / 1000) },
      ...{ candidates: [VICTIM], wireguardCandidates: [VICTIM], natType: "" },
    });
    say("mallory", "RENDEZVOUS_OFFER", offer);
    say("hub", "RENDEZVOUS_OFFER", offer);
    await clock.advance(3_000);
    expect(atVictim()).toBe(0);
    // At most the HELLO that asks the hub whether it really spoke, and its like.
    expect((network.packetsTo.get(hub.publicIp) ?? 0) - sentBefore).toBeLessThan(12);
  });
});
