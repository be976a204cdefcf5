/** A peer behind a router that forgets silent flows after two seconds. */
import { describe, expect } from "vitest";
import { delay } from "../mesh/harness/time.ts";
import { inner, introduce, type Pair } from "./harness/pair.ts";
import { allAnswered, noneAnswered } from "./harness/ping.ts";
import { connect, type Place } from "./harness/place.ts";
import { type Scene, test } from "./harness/scene.ts";
import { Tunnel } from "./harness/tunnel.ts";

const TIMEOUT_S = 2;
/** The kernel looks for dead flows now and then. */
const FORGOTTEN_MS = 3 * TIMEOUT_S * 1000;

/** 192.168.1.100 (a) behind 192.168.1.1 | 10.0.0.1 (the router, which translates `rule`) in front of 10.0.0.100 (b). */
async function behindNat(scene: Scene, translation: string): Promise<Pair> {
  const [home, router, server] = (await Promise.all([scene.place(), scene.place(), scene.place()])) as [
    Place,
    Place,
    Place,
  ];
  await connect(router, "toa", home, "eth0");
  await connect(router, "tob", server, "eth0");
  await router.ip(
    "address add 192.168.1.1/24 dev toa",
    "address add 10.0.0.1/24 dev tob",
    "link set toa up",
    "link set tob up",
  );
  await home.ip(
    "address add 192.168.1.100/24 dev eth0",
    "link set eth0 up",
    "route add default via 192.168.1.1",
  );
  await server.ip("address add 10.0.0.100/24 dev eth0", "link set eth0 up");
  await router.nft(
    `table ip nat { chain out { type nat hook postrouting priority srcnat;
     ip saddr 192.168.1.0/24 ip daddr 10.0.0.0/24 ${translation}; }; }`,
  );
  await router.sysctl("net/netfilter/nf_conntrack_udp_timeout", TIMEOUT_S);
  await router.sysctl("net/netfilter/nf_conntrack_udp_timeout_stream", TIMEOUT_S);
  await router.sysctl("net/ipv4/ip_forward", 1);
  const a = await Tunnel.make(home, { port: 1, addresses: inner(1) });
  const b = await Tunnel.make(server, { port: 2, addresses: inner(2) });
  await introduce(a, "10.0.0.1:1", b, "10.0.0.100:2");
  return { a, b };
}

describe.concurrent("behind a router that translates addresses", () => {
  test("keepalives keep the way open, and without them it closes", async ({ scene }) => {
    const { a, b } = await behindNat(scene, "snat to 10.0.0.1");
    const [a4 = ""] = a.addresses;
    await a.setPeer(b, { keepalive: 1 });
    await allAnswered(a.inside, b.addresses[0] ?? "");
    await allAnswered(b.inside, a4);
    expect((await b.peer(a)).endpoint).toBe("10.0.0.1:1");
    await delay(FORGOTTEN_MS);
    await allAnswered(b.inside, a4);
    await a.setPeer(b, { keepalive: 0 });
    // The ping above is answered; nothing else keeps the flow alive now.
    await delay(FORGOTTEN_MS);
    await noneAnswered(b.inside, a4);
    // From inside it opens again.
    await allAnswered(a.inside, b.addresses[0] ?? "");
    await allAnswered(b.inside, a4);
  });

  test("a new port of the router is followed at once", async ({ scene }) => {
    const { a, b } = await behindNat(scene, "masquerade fully-random");
    await allAnswered(a.inside, b.addresses[0] ?? "");
    const before = (await b.peer(a)).endpoint;
    expect(before).toMatch(/^10\.0\.0\.1:/);
    await delay(FORGOTTEN_MS);
    await allAnswered(a.inside, b.addresses[0] ?? "");
    await allAnswered(b.inside, a.addresses[0] ?? "");
    const after = (await b.peer(a)).endpoint;
    expect(after).toMatch(/^10\.0\.0\.1:/);
    // One of some 60,000 by chance.
    expect(after).not.toBe(before);
  });
});
