/**
 * Floods: those who have a tunnel notice nothing, those who are allowed one get it, and what a datagram costs is bounded
 * (sections 5.3 and 5.4.7 of the paper: handshakes under load go only to those who return a cookie). For the optimised addon:
 * one from `build:native -- --debug` needs five times as long for each.
 */
import { describe, expect } from "vitest";
import { delay, until } from "../../mesh/harness/time.ts";
import { COOKIE, DATA, INITIATION, messageType, RESPONSE, Sniffer } from "../harness/datagrams.ts";
import { addAttacker, Flood, type FloodCount, type FloodKind } from "../harness/flood.ts";
import { hosts, inner, vethPair } from "../harness/pair.ts";
import { SteadyPing } from "../harness/ping.ts";
import { connect, type Place } from "../harness/place.ts";
import { type Scene, test } from "../harness/scene.ts";
import { Tunnel } from "../harness/tunnel.ts";

const PER_SECOND = 10_000;
const MANY = 4000;
/** REKEY_TIMEOUT of section 6.1: how long an initiation waits for its response before it is sent again, now with a cookie. */
const REKEY_TIMEOUT_MS = 5000;
/**
 * What a datagram may cost its target in CPU time. Receiving one and answering it with a cookie takes some 10 µs, most of it the
 * kernel's; looking into each of the initiations here takes some 180 µs.
 */
const MOST_CPU_US = 75;
/** Handshake messages that are looked into although they come from one who floods (see `Limits`, in a second). */
const MOST_ANSWERED_PER_SECOND = 600;
/** Where mac2 begins in an initiation (section 5.4.2), in hex digits. */
const MAC2 = 132 * 2;

interface Victims {
  /** Has a tunnel to the target already. */
  readonly friend: Tunnel;
  readonly target: Tunnel;
  readonly attacker: Place;
  readonly recorded: string[];
}

async function victims(scene: Scene): Promise<Victims> {
  const { a: friend, b: target } = await vethPair(scene);
  const attacker = await scene.place();
  await addAttacker(attacker, target.outside);
  return { friend, target, attacker, recorded: [] };
}

/** Pings through the tunnel there is during `meanwhile` and at least two seconds of the flood; none may be lost. */
async function flooded(
  { friend, target, attacker, recorded }: Victims,
  kind: FloodKind,
  sources: number,
  meanwhile: (flood: Flood) => Promise<void> = () => Promise.resolve(),
): Promise<FloodCount> {
  const pings = new SteadyPing(friend.inside, target.addresses[0] ?? "", 20);
  await pings.answered();
  const flood = await Flood.start(attacker, kind, target, friend, {
    port: 2,
    perSecond: PER_SECOND,
    sources,
    recorded,
  });
  await Promise.all([delay(2000), meanwhile(flood)]);
  const count = await flood.stop();
  await pings.lostNothing();
  console.log(`${kind} from ${sources}: ${JSON.stringify(count)}`);
  expect(count.sent).toBeGreaterThan(PER_SECOND / 2);
  expect(count.cpuUs).toBeLessThan(MOST_CPU_US);
  return count;
}

/** A peer that the target knows, and that has not talked to it yet. */
async function newcomer(scene: Scene, target: Tunnel): Promise<Tunnel> {
  const place = await scene.place();
  await connect(target.outside, "toNew", place, "eth0");
  await target.outside.ip("address add 203.0.113.1/24 dev toNew", "link set toNew up");
  await place.ip("address add 203.0.113.3/24 dev eth0", "link set eth0 up");
  const tunnel = await Tunnel.make(place, { port: 3, addresses: inner(3) });
  await target.setPeer(tunnel, { allowedIps: hosts(3) });
  await tunnel.setPeer(target, { endpoint: "203.0.113.1:2", allowedIps: hosts(2) });
  return tunnel;
}

describe("a flood of initiations, forged as well as anybody can", () => {
  test.for([
    ["many addresses", MANY],
    ["one address", 1],
  ] as const)(
    "from %s: cookies are asked for, pings go on, and a new peer connects",
    async ([, sources], { scene }) => {
      const all = await victims(scene);
      const other = await newcomer(scene, all.target);
      const sniffer = await Sniffer.on(other.outside, "eth0");
      const { cookies, others, sent, perSecond } = await flooded(
        all,
        "initiation",
        sources,
        async (flood) => {
          // By now it is known for a flood.
          await delay(500);
          const [address = ""] = all.target.addresses;
          await until("the new peer is connected", 10 * REKEY_TIMEOUT_MS, async () => {
            expect(flood.running).toBe(true);
            return (await other.inside.try(`ping -n -c 1 -W 1 ${address}`)).code === 0;
          });
        },
      );
      // Nobody without a key gets a response, and none but the first of a second are looked into without a cookie.
      expect(others).toBe(0);
      const seconds = sent / perSecond;
      expect(cookies).toBeGreaterThan(sent - MOST_ANSWERED_PER_SECOND * (seconds + 1) - sent / 10);
      const seen = await sniffer.seen();
      const connected = seen.findIndex((one) => !one.out && messageType(one) === RESPONSE);
      const before = seen.slice(0, connected + 1).filter((one) => messageType(one) !== DATA);
      if (sources === MANY) {
        // The new peer was asked for a cookie like everybody, and got in with it.
        expect(before.map(messageType)).toEqual([INITIATION, COOKIE, INITIATION, RESPONSE]);
        const macs = before
          .filter((one) => messageType(one) === INITIATION)
          .map(({ payload }) => payload.slice(MAC2));
        expect(macs[0]).toMatch(/^0+$/);
        expect(macs[1]).not.toMatch(/^0+$/);
      }
    },
  );

  test("from one who returns the cookie: it gets its share of an address, and no more", async ({ scene }) => {
    const { cookies, others, sent } = await flooded(await victims(scene), "cookie", 1);
    expect(others).toBe(0);
    // It has one; a second is not asked for.
    expect(cookies).toBeGreaterThan(0);
    expect(cookies).toBeLessThan(sent / 10);
  });
});

describe("a flood of", () => {
  test.for(["garbage", "data"] as const)("%s is not answered", async (kind, { scene }) => {
    const { cookies, others } = await flooded(await victims(scene), kind, MANY);
    expect(cookies + others).toBe(0);
  });

  test("replays is not answered, and moves nobody", async ({ scene }) => {
    const all = await victims(scene);
    const sniffer = await Sniffer.on(all.friend.outside, "eth0");
    const pings = new SteadyPing(all.friend.inside, all.target.addresses[0] ?? "", 10);
    await until("enough was recorded", 20_000, () => sniffer.soFar().length > 100);
    await pings.lostNothing();
    all.recorded.push(...(await sniffer.sent()).map(({ payload }) => payload));
    const { cookies, others, sent } = await flooded(all, "replay", MANY);
    expect(others).toBe(0);
    // One in fifty is an initiation; a cookie may be asked for.
    expect(cookies).toBeLessThan(sent / 20);
    expect((await all.target.peer(all.friend)).endpoint).toBe("192.0.2.1:1");
  });
});
