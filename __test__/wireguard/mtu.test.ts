/** Sizes: of packets inside, of datagrams outside, of links on the way. */
import { describe, expect } from "vitest";
import { DATA, messageBytes, messageType, Sniffer } from "./harness/datagrams.ts";
import { inner, introduce, type Pair, vethPair } from "./harness/pair.ts";
import { allAnswered, noneAnswered, ping } from "./harness/ping.ts";
import { connect, type Place } from "./harness/place.ts";
import { type Scene, test } from "./harness/scene.ts";
import { Tunnel } from "./harness/tunnel.ts";

/** Outer IPv4 and UDP header, WireGuard's header and tag. */
const OUTER_IPV4 = 20 + 8;
const WIREGUARD = 16 + 16;
/** IPv4 and ICMP header of a ping. */
const PING_HEADERS = 28;

/** a (192.168.1.2, fd01::2) – router – b (192.168.2.2, fd02::2), whose last link takes packets of `mtu` bytes. */
async function narrowPath(scene: Scene, mtu: number): Promise<Pair> {
  const [near, router, far] = (await Promise.all([scene.place(), scene.place(), scene.place()])) as [
    Place,
    Place,
    Place,
  ];
  await connect(router, "to1", near, "eth0");
  await connect(router, "to2", far, "eth0");
  await router.sysctl("net/ipv4/ip_forward", 1);
  await router.sysctl("net/ipv6/conf/all/forwarding", 1);
  const ends = await Promise.all(
    [near, far].map(async (place, index) => {
      const number = index + 1;
      await router.ip(
        `address add 192.168.${number}.1/24 dev to${number}`,
        `address add fd0${number}::1/64 dev to${number} nodad`,
        `link set to${number} mtu ${number === 2 ? mtu : 1500} up`,
      );
      await place.ip(
        `address add 192.168.${number}.2/24 dev eth0`,
        `address add fd0${number}::2/64 dev eth0 nodad`,
        `link set eth0 mtu ${number === 2 ? mtu : 1500} up`,
        `route add default via 192.168.${number}.1`,
        `route add default via fd0${number}::1`,
      );
      return await Tunnel.make(place, { port: number, addresses: inner(number) });
    }),
  );
  const [a, b] = ends as [Tunnel, Tunnel];
  await introduce(a, "192.168.1.2:1", b, "192.168.2.2:2");
  return { a, b };
}

describe.concurrent("sizes", () => {
  test("padding goes up to 16 bytes, and never beyond the MTU", async ({ scene }) => {
    const mtu = 1300;
    const { a, b } = await vethPair(scene, { mtu });
    const [b4 = ""] = b.addresses;
    await allAnswered(a.inside, b4);
    const sniffer = await Sniffer.on(a.outside, "eth0", b.outside);
    const sizes = [1, 4, 5, 36, 37, 1260, 1268, 1269, 1271, 1272];
    for (const size of sizes) await allAnswered(a.inside, b4, { size });
    const sent = (await sniffer.sent()).filter((seen) => messageType(seen) === DATA);
    const padded = sizes.map((size) => Math.min(Math.ceil((size + PING_HEADERS) / 16) * 16, mtu));
    expect(sent.map(messageBytes)).toEqual(padded.map((bytes) => bytes + WIREGUARD));
    expect(Math.max(...sent.map(({ length }) => length))).toBe(mtu + WIREGUARD + OUTER_IPV4);
  });

  test("a changed MTU counts for padding, too", async ({ scene }) => {
    const { a, b } = await vethPair(scene);
    const [b4 = ""] = b.addresses;
    await allAnswered(a.inside, b4);
    await a.inside.ip("link set wg0 mtu 1281");
    // The interface is asked for its MTU now and then, as long as there is traffic.
    await ping(a.inside, b4, { count: 6, more: "-i 1" });
    const sniffer = await Sniffer.on(a.outside, "eth0", b.outside);
    await allAnswered(a.inside, b4, { size: 1253 });
    expect((await sniffer.sent()).map(messageBytes)).toContain(1281 + WIREGUARD);
  });

  test("a packet larger than the MTU is fragmented inside, or refused where that is forbidden", async ({
    scene,
  }) => {
    const { a, b } = await vethPair(scene);
    const [b4 = "", b6 = ""] = b.addresses;
    await allAnswered(a.inside, b4, { size: 9000 });
    await allAnswered(a.inside, b6, { size: 9000 });
    await allAnswered(a.inside, b4, { size: 1420 - PING_HEADERS, more: "-M do" });
    const { code, stdout, stderr } = await a.inside.try(
      `ping -n -c 1 -W 1 -M do -s ${1421 - PING_HEADERS} ${b4}`,
    );
    expect(code).not.toBe(0);
    expect(stdout + stderr).toMatch(/mtu ?= ?1420/);
  });

  test("datagrams too large for a link on the way arrive in fragments, over IPv4 and IPv6", async ({
    scene,
  }) => {
    const { a, b } = await narrowPath(scene, 1300);
    const [a4 = ""] = a.addresses;
    const [b4 = ""] = b.addresses;
    const full = { size: 1420 - PING_HEADERS };
    // Over IPv4 routers fragment, so the very first one arrives.
    await allAnswered(a.inside, b4);
    await allAnswered(a.inside, b4, full);
    await allAnswered(b.inside, a4, full);
    await a.setPeer(b, { endpoint: "[fd02::2]:2" });
    await allAnswered(a.inside, b4);
    // Over IPv6 the sender has to learn of the link: the first datagram costs itself.
    await ping(a.inside, b4, full);
    await allAnswered(a.inside, b4, { ...full, count: 3, more: "-i 0.1" });
    await allAnswered(b.inside, a4, { ...full, count: 3, more: "-i 0.1" });
  });

  test("IPv6 goes at its least MTU of 1280", async ({ scene }) => {
    const { a, b } = await vethPair(scene, { mtu: 1280 });
    await allAnswered(a.inside, b.addresses[1] ?? "", { size: 4000 });
    await noneAnswered(a.inside, b.addresses[1] ?? "", { size: 4000, more: "-M do" });
  });
});
