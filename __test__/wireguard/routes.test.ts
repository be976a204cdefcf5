/** Which way datagrams go, and from which address, when the host has several and they change. */
import { describe, expect } from "vitest";
import { inner, introduce, type Pair } from "./harness/pair.ts";
import { allAnswered } from "./harness/ping.ts";
import { connect, type Place } from "./harness/place.ts";
import { type Scene, test } from "./harness/scene.ts";
import { Tunnel } from "./harness/tunnel.ts";

/** Two ends whose outer links `eth0` are up, with the addresses given. */
async function onLinks(scene: Scene, ofA: readonly string[], ofB: readonly string[]): Promise<Pair> {
  const places = (await Promise.all([scene.place(), scene.place()])) as [Place, Place];
  await connect(places[0], "eth0", places[1], "eth0");
  const [a, b] = (await Promise.all(
    places.map(async (place, index) => {
      const addresses = index === 0 ? ofA : ofB;
      await place.sysctl("net/ipv4/conf/eth0/promote_secondaries", 1);
      await place.ip("link set eth0 up", ...addresses.map((address) => add(address)));
      return await Tunnel.make(place, { port: index + 1, addresses: inner(index + 1) });
    }),
  )) as [Tunnel, Tunnel];
  await introduce(a, "10.0.0.1:1", b, "10.0.0.2:2");
  return { a, b };
}

const add = (address: string, link = "eth0"): string =>
  `address add ${address} dev ${link}${address.includes(":") ? " nodad" : ""}`;

/** Replies go out however the way in was. */
async function noReversePathFilter(place: Place, ...links: string[]): Promise<void> {
  for (const link of ["all", ...links]) await place.sysctl(`net/ipv4/conf/${link}/rp_filter`, 0);
}

describe.concurrent("the source of what is sent", () => {
  test("is given up when its address is taken from the host", async ({ scene }) => {
    const { a, b } = await onLinks(scene, ["10.0.0.1/24", "fd00:aa::1/96"], ["10.0.0.2/24", "fd00:aa::2/96"]);
    const [b4 = ""] = b.addresses;
    await allAnswered(a.inside, b4);
    await a.outside.ip(add("10.0.0.10/24"), "address del 10.0.0.1/24 dev eth0");
    await allAnswered(a.inside, b4);
    expect((await b.peer(a)).endpoint).toBe("10.0.0.10:1");
    await a.setPeer(b, { endpoint: "[fd00:aa::2]:2" });
    await allAnswered(a.inside, b4);
    expect((await b.peer(a)).endpoint).toBe("[fd00:aa::1]:1");
    await a.outside.ip(add("fd00:aa::10/96"), "address del fd00:aa::1/96 dev eth0");
    await allAnswered(a.inside, b4);
    expect((await b.peer(a)).endpoint).toBe("[fd00:aa::10]:1");
  });

  test("is the address that the peer wrote to", async ({ scene }) => {
    const ofA = ["10.0.0.1/24", "10.0.0.2/24", "fd00:aa::1/96", "fd00:aa::2/96"];
    const { a, b } = await onLinks(scene, ofA, ["10.0.0.3/24", "fd00:aa::3/96"]);
    for (const endpoint of ["10.0.0.1:1", "[fd00:aa::1]:1", "10.0.0.2:1", "[fd00:aa::2]:1"]) {
      await b.setPeer(a, { endpoint });
      await allAnswered(b.inside, a.addresses[0] ?? "");
      expect((await b.peer(a)).endpoint).toBe(endpoint);
    }
  });

  test("is the address that the peer wrote to, when it belongs to another link", async ({ scene }) => {
    const { a, b } = await onLinks(scene, ["10.0.0.1/24"], ["10.0.0.3/24"]);
    await a.outside.run("ip link add aside type bridge");
    await a.outside.ip(add("10.50.0.1/24", "aside"), "link set aside up");
    await b.outside.ip("route add 10.50.0.0/24 dev eth0");
    await b.setPeer(a, { endpoint: "10.50.0.1:1" });
    await allAnswered(b.inside, a.addresses[0] ?? "");
    expect((await b.peer(a)).endpoint).toBe("10.50.0.1:1");
  });

  test("follows a route that has become better", async ({ scene }) => {
    const { a, b } = await onLinks(scene, ["10.0.0.1/24"], ["10.0.0.2/24"]);
    const [b4 = ""] = b.addresses;
    await connect(a.outside, "eth1", b.outside, "eth1");
    await b.outside.ip("link set eth1 up");
    await a.outside.ip(
      "link set eth1 up",
      add("10.0.0.3/24", "eth1"),
      "route flush dev eth0",
      "route flush dev eth1",
      "route add 10.0.0.0/24 dev eth0 src 10.0.0.1 metric 2",
    );
    await noReversePathFilter(a.outside, "eth0", "eth1");
    await noReversePathFilter(b.outside, "eth0", "eth1");
    await allAnswered(a.inside, b4);
    expect((await b.peer(a)).endpoint).toBe("10.0.0.1:1");
    await a.outside.ip("route add 10.0.0.0/24 dev eth1 src 10.0.0.3 metric 1");
    await allAnswered(a.inside, b4);
    expect((await b.peer(a)).endpoint).toBe("10.0.0.3:1");
  });
});

describe.concurrent("the firewall mark", () => {
  test("is on every datagram that is sent, after a new port, too, and is taken off again", async ({
    scene,
  }) => {
    const { a, b } = await onLinks(scene, ["10.0.0.1/24"], ["10.0.0.2/24"]);
    const [b4 = ""] = b.addresses;
    await a.outside.nft(
      `table ip marks { counter marked { }; counter plain { };
       chain out { type filter hook output priority 0;
       oif eth0 udp dport 2 meta mark 0x2a counter name marked;
       oif eth0 udp dport 2 meta mark 0 counter name plain; }; }`,
    );
    const packets = async (): Promise<[number, number]> => {
      const counters = JSON.parse(await a.outside.run("nft -j list counters")).nftables as {
        counter?: { name: string; packets: number };
      }[];
      const count = (name: string): number =>
        counters.find(({ counter }) => counter?.name === name)?.counter?.packets ?? -1;
      return [count("marked"), count("plain")];
    };
    await a.set("fwmark 0x2a");
    await allAnswered(a.inside, b4);
    await a.set("listen-port 4000");
    await allAnswered(a.inside, b4);
    const [marked, plain] = await packets();
    expect(marked).toBeGreaterThanOrEqual(3);
    expect(plain).toBe(0);
    await a.set("fwmark 0");
    await allAnswered(a.inside, b4);
    const after = await packets();
    expect(after[0]).toBe(marked);
    expect(after[1]).toBeGreaterThan(0);
  });

  test("keeps the tunnel out of itself when it is the default route", async ({ scene }) => {
    const { a, b } = await onLinks(scene, ["10.0.0.1/24", "fd00:aa::1/96"], ["10.0.0.2/24", "fd00:aa::2/96"]);
    await b.inside.ip(add("192.168.99.7/32", "wg0"), add("abab::1111/128", "wg0"));
    await a.set("fwmark 51820");
    await a.setPeer(b, { allowedIps: ["0.0.0.0/0", "::/0"] });
    for (const family of ["-4", "-6"]) {
      await a.outside.run(`ip ${family} route add default dev wg0 table 51820`);
      await a.outside.run(`ip ${family} rule add not fwmark 51820 table 51820`);
      await a.outside.run(`ip ${family} rule add table main suppress_prefixlength 0`);
    }
    await noReversePathFilter(a.outside, "eth0", "wg0");
    const quick = { count: 100, quick: true };
    await allAnswered(a.inside, "192.168.99.7", quick);
    await allAnswered(a.inside, "abab::1111", quick);
    // The peer itself is reached beside the tunnel when its endpoint is on a link.
    await allAnswered(a.outside, "10.0.0.2");
    // The same over IPv6 outside.
    await a.setPeer(b, { endpoint: "[fd00:aa::2]:2" });
    await allAnswered(a.inside, "192.168.99.7", quick);
    await allAnswered(a.inside, "abab::1111", quick);
    expect((await b.peer(a)).endpoint).toBe("[fd00:aa::1]:1");
  });
});
