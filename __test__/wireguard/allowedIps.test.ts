/** Cryptokey routing: what a peer may send, and which peer a packet goes to (section 2 of the paper). */
import { describe, expect } from "vitest";
import { until } from "../mesh/harness/time.ts";
import { newKeyPair } from "./harness/keys.ts";
import { hosts, inner, loopbackPair, vethPair } from "./harness/pair.ts";
import { allAnswered, noneAnswered } from "./harness/ping.ts";
import type { Place } from "./harness/place.ts";
import { type Scene, test } from "./harness/scene.ts";
import { Tunnel } from "./harness/tunnel.ts";

/** Packets that came in from the interface so far. */
async function arrived(tunnel: Tunnel): Promise<number> {
  const [link] = JSON.parse(await tunnel.inside.run(`ip -j -s link show ${tunnel.name}`));
  return link.stats64.rx.packets;
}

/** Three ends on one loopback interface; `hub` (port 1) has the others (2 and 3) as peers, and both have 10.99.9.9. */
async function hubAndTwo(scene: Scene): Promise<{ hub: Tunnel; two: Tunnel; three: Tunnel }> {
  const [middle, ...outer] = (await Promise.all([1, 2, 3, 4].map(() => scene.place()))) as [
    Place,
    ...Place[],
  ];
  const [hub, two, three] = (await Promise.all(
    outer.map((inside, index) =>
      Tunnel.make(middle, {
        name: `wg${index + 1}`,
        inside,
        port: index + 1,
        addresses: [...inner(index + 1), ...(index > 0 ? ["10.99.9.9/32"] : [])],
      }),
    ),
  )) as [Tunnel, Tunnel, Tunnel];
  await hub.inside.ip("route add 10.99.0.0/16 dev wg1");
  for (const [index, end] of [two, three].entries()) {
    await end.setPeer(hub, { endpoint: "127.0.0.1:1", allowedIps: hosts(1) });
    await hub.setPeer(end, { endpoint: `127.0.0.1:${index + 2}`, allowedIps: hosts(index + 2) });
  }
  return { hub, two, three };
}

describe.concurrent("allowed IPs", () => {
  test("packets with a source that is not the peer's are dropped; the rest of its traffic goes on", async ({
    scene,
  }) => {
    const { a, b } = await vethPair(scene);
    const [a4 = "", a6 = ""] = a.addresses;
    await b.inside.ip(
      "address add 10.99.0.66/32 dev wg0",
      "address add fd99::66/128 dev wg0 nodad preferred_lft 0",
    );
    await allAnswered(b.inside, a4);
    await allAnswered(b.inside, a6);
    const before = await arrived(a);
    const { rxBytes } = await a.peer(b);
    await noneAnswered(b.inside, a4, { count: 3, more: "-i 0.1 -I 10.99.0.66" });
    await noneAnswered(b.inside, a6, { count: 3, more: "-i 0.1 -I fd99::66" });
    // They did arrive, as far as WireGuard.
    expect((await a.peer(b)).rxBytes).toBeGreaterThanOrEqual(rxBytes + 6 * 128);
    expect(await arrived(a)).toBe(before);
    await allAnswered(b.inside, a4);
    expect(await arrived(a)).toBe(before + 1);
  });

  test("a more specific network of another peer takes a host away, and gives it back when removed", async ({
    scene,
  }) => {
    const { a, b } = await loopbackPair(scene);
    const [a4 = ""] = a.addresses;
    await a.setPeer(b, { allowedIps: ["10.99.0.0/24"] });
    await allAnswered(b.inside, a4);
    const stranger = newKeyPair();
    await a.setPeer(stranger, { allowedIps: ["10.99.0.2/32"] });
    const before = await arrived(a);
    await b.set("listen-port 9997");
    await noneAnswered(b.inside, a4);
    expect(await arrived(a)).toBe(before);
    // What it said was authentic all the same: the peer has moved.
    expect((await a.peer(b)).endpoint).toBe("127.0.0.1:9997");
    await a.removePeer(stranger);
    await allAnswered(b.inside, a4);
  });

  test("the longest prefix decides where a packet goes, whatever the order of configuration", async ({
    scene,
  }) => {
    const { hub, two, three } = await hubAndTwo(scene);
    const answeredBy = async (tunnel: Tunnel): Promise<void> => {
      const before = await arrived(tunnel);
      await allAnswered(hub.inside, "10.99.9.9", { count: 2, more: "-i 0.1" });
      expect(await arrived(tunnel)).toBe(before + 2);
    };
    await allAnswered(hub.inside, "10.99.0.2");
    await allAnswered(hub.inside, "10.99.0.3");
    await hub.setPeer(two, { allowedIps: [...hosts(2), "10.99.0.0/16"] });
    await answeredBy(two);
    await hub.setPeer(three, { allowedIps: [...hosts(3), "10.99.9.0/24"] });
    await answeredBy(three);
    await hub.setPeer(two, { allowedIps: [...hosts(2), "10.99.0.0/16", "10.99.9.8/29"] });
    await answeredBy(two);
    // A network has one owner: the last who was given it.
    await hub.setPeer(three, { allowedIps: [...hosts(3), "10.99.9.8/29"] });
    expect((await hub.peer(two)).allowedIps).not.toContain("10.99.9.8/29");
    await answeredBy(three);
    await hub.removePeer(three);
    await answeredBy(two);
  });

  test("moving a network between peers under a stream of pings loses nothing of the others", async ({
    scene,
  }) => {
    const { hub, two, three } = await hubAndTwo(scene);
    await allAnswered(hub.inside, "10.99.0.3");
    const steady = hub.inside.start("ping", "-n", "-c", "100", "-i", "0.02", "-W", "2", "10.99.0.2");
    await until("pings flow", 10_000, () => steady.stdout.includes("icmp_seq=1 "));
    for (let round = 0; round < 10; round += 1) {
      const [taker, giver] = round % 2 === 0 ? [two, three] : [three, two];
      await hub.setPeer(taker, { allowedIps: [...hosts(taker === two ? 2 : 3), "10.99.9.0/24"] });
      expect((await hub.peer(giver)).allowedIps).not.toContain("10.99.9.0/24");
      await allAnswered(hub.inside, "10.99.9.9");
    }
    await steady.exit;
    expect(steady.stdout).toContain(" 0% packet loss");
  });
});
