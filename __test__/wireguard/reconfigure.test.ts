/** A tunnel in use whose settings change: keys, ports, peers, the state of its link. */
import { describe, expect } from "vitest";
import { delay, until } from "../mesh/harness/time.ts";
import { DATA, INITIATION, messageType, Sniffer } from "./harness/datagrams.ts";
import { newKeyPair, newPresharedKey } from "./harness/keys.ts";
import { hosts, loopbackPair, vethPair } from "./harness/pair.ts";
import { allAnswered, noneAnswered, SteadyPing } from "./harness/ping.ts";
import { test } from "./harness/scene.ts";
import { tcp } from "./harness/streams.ts";

describe.concurrent("while the tunnel is used", () => {
  test("the port changes: the peer follows, and at most what was on its way is lost", async ({ scene }) => {
    const { a, b } = await vethPair(scene);
    const steady = new SteadyPing(a.inside, b.addresses[0] ?? "", 20);
    await steady.answered();
    for (const port of [4001, 4002, 4003]) {
      await a.set(`listen-port ${port}`);
      await until(
        "the peer has followed",
        10_000,
        async () => (await b.peer(a)).endpoint === `192.0.2.1:${port}`,
      );
    }
    await delay(200);
    const { sent, lost } = await steady.finish();
    expect(sent).toBeGreaterThan(10);
    expect(lost.length).toBeLessThanOrEqual(3);
  });

  test("a new key: the old one is worth nothing any more, the new one works at once", async ({ scene }) => {
    const { a, b } = await loopbackPair(scene);
    const [b4 = ""] = b.addresses;
    await allAnswered(a.inside, b4);
    const old = { publicKey: a.publicKey };
    const presharedKey = newPresharedKey();
    await a.setKey(newKeyPair());
    expect((await a.wg(`show ${a.name} public-key`)).trim()).toBe(a.publicKey);
    await noneAnswered(a.inside, b4);
    await b.removePeer(old);
    await b.setPeer(a, { presharedKey, allowedIps: hosts(1) });
    await a.setPeer(b, { presharedKey, endpoint: "127.0.0.1:2" });
    // The attempt from before is under way: only the next one can succeed, after REKEY_TIMEOUT of the paper's section 6.1.
    await until("a session", 30_000, async () => (await a.inside.try(`ping -n -c 1 -W 1 ${b4}`)).code === 0);
    await allAnswered(b.inside, a.addresses[0] ?? "");
  });

  test("both ends get new keys at once, and the first ping is answered", async ({ scene }) => {
    const { a, b } = await loopbackPair(scene);
    await allAnswered(a.inside, b.addresses[0] ?? "");
    const old = { a: { publicKey: a.publicKey }, b: { publicKey: b.publicKey } };
    await a.removePeer(old.b);
    await b.removePeer(old.a);
    await a.setKey(newKeyPair());
    await b.setKey(newKeyPair());
    await b.setPeer(a, { allowedIps: hosts(1) });
    await a.setPeer(b, { allowedIps: hosts(2), endpoint: "127.0.0.1:2" });
    await allAnswered(a.inside, b.addresses[0] ?? "");
    await allAnswered(b.inside, a.addresses[0] ?? "");
  });

  test("another preshared key on one end alone ends the sessions to come, not the one there is", async ({
    scene,
  }) => {
    const { a, b } = await loopbackPair(scene);
    const [b4 = ""] = b.addresses;
    await allAnswered(a.inside, b4);
    await a.setPeer(b, { presharedKey: newPresharedKey() });
    await allAnswered(a.inside, b4);
    await a.removePeer(b);
    await a.setPeer(b, { presharedKey: newPresharedKey(), allowedIps: hosts(2), endpoint: "127.0.0.1:2" });
    await noneAnswered(a.inside, b4);
  });

  test("a peer is removed: nothing goes to it or comes from it; added again it is there at once", async ({
    scene,
  }) => {
    const { a, b } = await vethPair(scene);
    const [a4 = ""] = a.addresses;
    const [b4 = ""] = b.addresses;
    await allAnswered(a.inside, b4);
    const { endpoint } = await a.peer(b);
    await a.removePeer(b);
    expect(await a.peers()).toEqual([]);
    const sniffer = await Sniffer.on(a.outside, "eth0", b.outside);
    await noneAnswered(a.inside, b4);
    await noneAnswered(b.inside, a4);
    expect(await sniffer.sent()).toEqual([]);
    await b.removePeer(a);
    await b.setPeer(a, { allowedIps: hosts(1) });
    await a.setPeer(b, { endpoint: endpoint ?? "", allowedIps: hosts(2) });
    await allAnswered(a.inside, b4);
    await allAnswered(b.inside, a4);
  });

  test("the configuration it has, set once more, changes nothing and costs no ping", async ({ scene }) => {
    const { a, b } = await vethPair(scene);
    const steady = new SteadyPing(a.inside, b.addresses[0] ?? "", 20);
    await steady.answered();
    const sniffer = await Sniffer.on(a.outside, "eth0", b.outside);
    const before = await a.peer(b);
    const file = await a.wg(`showconf ${a.name}`);
    for (let round = 0; round < 10; round += 1) await a.wg(`syncconf ${a.name} /dev/stdin`, file);
    await steady.lostNothing();
    const after = await a.peer(b);
    expect({ ...after, rxBytes: 0, txBytes: 0 }).toEqual({ ...before, rxBytes: 0, txBytes: 0 });
    expect((await sniffer.seen()).filter((seen) => messageType(seen) === INITIATION)).toEqual([]);
  });

  test("the link goes down and up: nothing passes while it is down, all does again", async ({ scene }) => {
    const { a, b } = await loopbackPair(scene);
    const [b4 = ""] = b.addresses;
    await allAnswered(a.inside, b4);
    for (let round = 0; round < 3; round += 1) {
      await a.inside.ip("link set wg1 down");
      await noneAnswered(b.inside, a.addresses[0] ?? "", { more: "-w 1" });
      await a.inside.ip("link set wg1 up");
      await allAnswered(a.inside, b4);
      await allAnswered(b.inside, a.addresses[0] ?? "");
    }
    await tcp(a.inside, b.inside, b4, 1 << 20);
  });

  test("a peer without an endpoint is sent nothing; when it gets one the next packet goes at once", async ({
    scene,
  }) => {
    const { a, b } = await vethPair(scene);
    const [b4 = ""] = b.addresses;
    await a.removePeer(b);
    await a.setPeer(b, { allowedIps: hosts(2) });
    const sniffer = await Sniffer.on(a.outside, "eth0", b.outside);
    await noneAnswered(a.inside, b4, { count: 3, more: "-i 0.1" });
    expect(await sniffer.seen()).toEqual([]);
    await b.removePeer(a);
    await b.setPeer(a, { allowedIps: hosts(1) });
    await a.setPeer(b, { endpoint: "192.0.2.2:2" });
    await allAnswered(a.inside, b4);
    // What was lost stays lost.
    const answers = (await sniffer.seen()).filter((seen) => !seen.out && messageType(seen) === DATA);
    expect(answers.length).toBeLessThanOrEqual(2);
  });

  test("an address that belongs to no peer is sent nothing, and others are not disturbed", async ({
    scene,
  }) => {
    const { a, b } = await vethPair(scene);
    await allAnswered(a.inside, b.addresses[0] ?? "");
    const sniffer = await Sniffer.on(a.outside, "eth0", b.outside);
    await noneAnswered(a.inside, "10.99.0.77", { count: 3, more: "-i 0.1" });
    await noneAnswered(a.inside, "fd99::77", { count: 3, more: "-i 0.1" });
    expect(await sniffer.sent()).toEqual([]);
    await allAnswered(a.inside, b.addresses[0] ?? "");
  });
});
