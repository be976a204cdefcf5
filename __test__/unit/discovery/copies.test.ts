/** What a busy node need not open, and need not say again. */
import { describe, expect, test } from "vitest";
import { Copies } from "../../../src/discovery/copies.ts";
import { HelloTable } from "../../../src/discovery/helloTable.ts";
import { GOSSIP_PORT, isMesh, testKey } from "./memoryMesh.ts";
import { useMemoryMesh } from "./useMemoryMesh.ts";

const from = { host: "192.0.2.7", port: 52_000 };
const datagram = (text: string): Buffer => Buffer.from(text.padEnd(200, "."));

describe("copies of a datagram", () => {
  test("count from the same address and for a moment, once the first was good", () => {
    const copies = new Copies();
    const data = datagram("one");
    expect(copies.has(data, from, 0)).toBe(false);
    copies.note(data, from, 0);
    expect(copies.has(data, from, 149)).toBe(true);
    expect(copies.has(data, from, 150)).toBe(false);
    expect(copies.has(data, { ...from, port: 52_001 }, 10)).toBe(false);
    expect(copies.has(datagram("two"), from, 10)).toBe(false);
    expect(copies.has(data.subarray(1), from, 10)).toBe(false);
  });

  test("are not kept without bounds", () => {
    const copies = new Copies();
    for (let index = 0; index < 2_000; index += 1) copies.note(datagram(`number ${index}`), from, 0);
    expect(copies.has(datagram("number 0"), from, 0)).toBe(false);
    expect(copies.has(datagram("number 1999"), from, 0)).toBe(true);
  });
});

describe("a node", () => {
  const mesh = useMemoryMesh();
  const peer = { host: "192.0.2.2", port: GOSSIP_PORT };
  const node = { host: "192.0.2.1", port: GOSSIP_PORT };

  const sent = (type: string): Buffer[] =>
    mesh.network.sent
      .filter((one) => one.from === `${peer.host}:${peer.port}` && one.to === `${node.host}:${node.port}`)
      .map(({ data }) => data)
      .filter((data) => data.subarray(0, 16).toString().includes(type));

  test("answers a HELLO and the copies that wait behind it once, and one that comes later again", async () => {
    const one = await mesh.start("one", node.host);
    const two = await mesh.start("two", peer.host, {
      staticPeers: [{ host: node.host, port: null }],
    } as never);
    await mesh.clock.until(() => isMesh([one, two]), 5_000);
    await mesh.clock.advance(1_000);
    // Whoever knows whom it speaks to proves itself.
    two.discovery.announce();
    await mesh.clock.advance(2_000);
    const hello = sent("HELLO").at(-1);
    const [reply] = sent("REPLY");
    if (hello === undefined) throw new Error("no HELLO was sent");
    const replies = (): number =>
      mesh.network.sent.filter(
        ({ data, to }) =>
          to === `${peer.host}:${peer.port}` && data.subarray(0, 16).toString().includes("REPLY"),
      ).length;
    const before = replies();
    for (let copy = 0; copy < 5; copy += 1) mesh.network.inject(peer, node, hello);
    await mesh.clock.advance(100);
    expect(replies() - before).toBe(1);
    await mesh.clock.advance(200);
    mesh.network.inject(peer, node, hello);
    await mesh.clock.advance(100);
    expect(replies() - before).toBe(2);

    const opened = one.discovery.counters().sealOpened;
    mesh.network.inject(peer, node, reply ?? Buffer.from('{"type":"REPLY",'.padEnd(200, ".")));
    await mesh.clock.advance(100);
    expect(one.discovery.counters().sealOpened).toBe(opened);
  });
});

describe("a HELLO", () => {
  const table = (): HelloTable => {
    const made = new HelloTable(false);
    const publicKey = testKey("peer");
    made.open({
      to: from,
      publicKey,
      reason: "dht",
      datagram: datagram("hello"),
      openedAtMs: 0,
      brief: false,
    });
    return made;
  };

  test("that is due while the machine is busy waits until what came in meanwhile was read", () => {
    const made = table();
    expect(made.tick(0).send).toHaveLength(1);
    expect(made.tick(300).send).toHaveLength(0);
    expect(made.nextAtMs()).toBe(330);
    expect(made.tick(330).send).toHaveLength(1);
    expect(made.nextAtMs()).toBe(500);
    // Not given up either, before that.
    expect(made.tick(4_500)).toEqual({ send: [], unanswered: [] });
    expect(made.tick(4_530).unanswered).toHaveLength(1);
  });

  test("is sent in time where the machine is not busy, and at once the first time", () => {
    const made = table();
    const sentAtMs: number[] = [];
    for (let nowMs = 90; nowMs < 4_000; nowMs += 10)
      if (made.tick(nowMs).send.length > 0) sentAtMs.push(nowMs);
    expect(sentAtMs).toEqual([90, 200, 500, 1_000, 2_000, 3_000]);
  });
});
