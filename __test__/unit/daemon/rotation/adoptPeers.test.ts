import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { IpAddress } from "../../../../src/core/types.ts";
import { adoptPeers } from "../../../../src/daemon/rotation/adoptPeers.ts";
import type { Peer } from "../../../../src/peers/peer.ts";
import { FakeClock } from "../../discovery/fakeClock.ts";
import { isMesh, TestNode, testSealer } from "../../discovery/memoryMesh.ts";
import { MemoryNetwork } from "../../discovery/memoryNetwork.ts";
import { clock, mention, open, store, word } from "../../peers/storeFixture.ts";
import { ip, keyOf } from "../../support/announcements.ts";
import { testDerivation } from "../../support/derivation.ts";
import { seededRandom } from "../../support/seededRandom.ts";

const secondOf = (holders: readonly Peer[]) => ({
  has: (publicKey: Peer["publicKey"]): boolean => holders.some((peer) => peer.publicKey === publicKey),
  holders: (): Peer[] => [...holders],
});

/** What follows from the key: the addresses before the move are others. */
const nextOf = (number: number): IpAddress => testDerivation.meshIpv4(keyOf(number), 0) as IpAddress;

describe("the peers after the move", () => {
  beforeEach(() => {
    open();
    store.observe(word(1, { meshIp: ip("10.8.200.1"), proven: true }));
    store.observe(word(2, { meshIp: ip("10.8.200.2"), proven: true }));
  });

  const holder = (): Peer => ({ ...(store.get(keyOf(1)) as Peer), meshIp: nextOf(1) });

  test("are those that have the new secret, at their new addresses and at the former ones", () => {
    const moving = adoptPeers(store, secondOf([holder()]));
    expect(store.list().map(({ publicKey, meshIp }) => [publicKey, meshIp])).toEqual([[keyOf(1), nextOf(1)]]);
    expect(moving.addressesOf(keyOf(1))).toEqual(["10.8.200.1"]);
    expect(moving.addressesOf(keyOf(2))).toEqual([]);
  });

  test("are joined at once by one that was late, by the word of a member that has met it", () => {
    const moving = adoptPeers(store, secondOf([holder()]));
    clock.advance(10);
    store.observe(mention(2, { meshIp: nextOf(2), ageSeconds: 1 }));
    const late = store.get(keyOf(2));
    expect(late?.meshIp).toBe(nextOf(2));
    // It may never have left the interface, where it has the former key.
    expect(late && moving.presharedKeyOf(late, clock.wallMs())).toBe("next");
  });
});

describe("a node that has the former secret alone", () => {
  let time: FakeClock;
  let nodes: TestNode[] = [];
  afterEach(async () => {
    for (const node of nodes) await node.crash();
    expect(nodes.flatMap(({ failures }) => failures)).toEqual([]);
  });

  test("stays out, whatever it sends and however long the members speak of each other", async () => {
    time = new FakeClock();
    const chance = seededRandom("network");
    const network = new MemoryNetwork({ clock: time, unit: () => chance.unit() });
    const places = ["192.0.2.1", "192.0.2.2"].map((host) => ({ host, port: null }));
    const made = ["first", "second", "stolen"].map(
      (name, index) =>
        new TestNode(time, network, name, `192.0.2.${index + 1}`, {
          gossip: "steady",
          staticPeers: name === "first" ? [] : places,
        }),
    );
    nodes = made;
    const [first, second, stolen] = made as [TestNode, TestNode, TestNode];
    for (const node of made) await node.start();
    await time.until(() => isMesh(made), 5_000);
    for (const node of made) await node.crash();

    // The members move, each with the other as the one that has shown the new secret.
    const members = [first, second].map((node) => {
      const other = node === first ? second : first;
      adoptPeers(node.store, secondOf([node.store.get(other.key) as Peer]));
      return node;
    });
    expect(members.map((node) => node.store.get(stolen.key))).toEqual([undefined, undefined]);
    const again = members.map((node, index) => {
      const options = { gossip: "steady", staticPeers: places, instance: `00112233445566a${index}` } as const;
      const moved = new TestNode(time, network, node.name, node.ip, options);
      Object.assign(moved.context, { sealer: testSealer("the next mesh"), store: node.store });
      return moved;
    });
    const thief = new TestNode(time, network, stolen.name, stolen.ip, {
      gossip: "steady",
      staticPeers: places,
    });
    nodes = [...again, thief];
    for (const node of nodes) await node.start();
    const sentBefore = network.sent.length;
    await time.advance(400_000);

    const toMembers = network.sent.slice(sentBefore).filter(({ from }) => from.startsWith(`${stolen.ip}:`));
    expect(toMembers.length).toBeGreaterThan(20);
    for (const node of members) {
      expect(node.store.list().map(({ hostname }) => hostname)).toEqual([
        node === first ? "second" : "first",
      ]);
    }
    expect(thief.store.list()).toEqual([]);
  });
});
