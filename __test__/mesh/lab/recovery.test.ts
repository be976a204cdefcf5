/**
 * Routers that start anew, direct paths that die, relays that die, peers that are gone: with one ping a second, what can come back is
 * back within 5 s. WGMESH_NAT_MINUTES=1 (part of `npm run test:nat`) reboots a router of every kind; $WGMESH_REBOOTS says how often.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { MeshNode } from "../harness/node.ts";
import type { Member } from "../harness/ping.ts";
import { allowanceMs, delay, until } from "../harness/time.ts";
import type { KindName } from "./kinds.ts";
import {
  addNodeAt,
  launch,
  newMesh,
  peerSeen,
  untilAllAnswer,
  untilAnswered,
  untilPath,
} from "./scenario.ts";
import { useInternet } from "./useInternet.ts";

const long = process.env.WGMESH_NAT_MINUTES === "1";
const kinds: readonly KindName[] = long ? ["S", "M", "MM", "I", "R", "FC", "AR", "PR"] : ["M", "R"];
const reboots = Number(process.env.WGMESH_REBOOTS ?? "1");
/** Promised from the network being back to pings being answered. */
const backMs = 5_000;
/** A path settles before it is broken: handshakes are seconds old. */
const settleMs = 4_000;

const report = (what: string, ms: number): void => console.log(`${what}: pings after ${Math.round(ms)} ms`);

/** One ping a second each way, from now until both are answered. */
async function bothWays(one: Member, other: Member): Promise<number> {
  const ways = [untilAnswered(one, other, backMs, 1), untilAnswered(other, one, backMs, 1)];
  return Math.max(...(await Promise.all(ways)));
}

describe("a router reboots", () => {
  const internet = useInternet();
  const sites = kinds.map((kind) => ({ kind, site: internet.addSite(`at-${kind.toLowerCase()}`, kind) }));
  const still = internet.addSite("still", "PR");
  const open = internet.addSite("open", "O");

  beforeAll(() => internet.startServers());

  test.each(sites)("of kind $kind", async ({ kind, site }) => {
    const secretFile = newMesh(internet, kind);
    const nodes = [site, still, open].map((place) =>
      addNodeAt(internet, place, `${place.name}-${kind.toLowerCase()}`, { secretFile }),
    );
    const members = await launch(nodes);
    const [one, other] = members as [Member, Member, Member];
    await untilAllAnswer(members, backMs);
    // First at once: a session of no age is no proof of a path either.
    for (const pauseMs of [0, ...Array.from({ length: reboots }, () => settleMs)]) {
      await delay(pauseMs);
      const before = site.address;
      site.reboot();
      expect(site.address).not.toBe(before);
      const ms = await bothWays(one, other);
      report(
        `${kind} rebooted ${pauseMs / 1000} s after it was used, then ${(await peerSeen(one, other))?.path}`,
        ms,
      );
    }
    await Promise.all(nodes.map((node) => node.stop()));
  });
});

describe("what carries a tunnel dies", () => {
  const internet = useInternet();
  const places = [internet.addSite("one", "PR"), internet.addSite("other", "M")] as const;
  const opens = ["open1", "open2"].map((name) => internet.addSite(name, "O"));
  let relays: readonly Member[];
  let one: Member;
  let other: Member;

  beforeAll(async () => {
    await internet.startServers();
    const secretFile = newMesh(internet, "carried");
    const nodes = [...places, ...opens].map((site) =>
      addNodeAt(internet, site, `${site.name}-host`, { secretFile }),
    );
    const members = await launch(nodes);
    [one, other, ...relays] = members as [Member, Member, Member, Member];
    await untilAllAnswer(members, backMs);
    for (const from of [one, other])
      await untilPath(from, from === one ? other : one, ["direct"], allowanceMs(backMs));
    await delay(settleMs);
  });

  afterAll(async () => {
    await Promise.all([one, other, ...relays].map(({ node }) => stopped(node)));
  });

  test("the direct path: a relay takes over", async () => {
    internet.core.part([places[0].port], [places[1].port]);
    report("direct path cut", await bothWays(one, other));
    await untilPath(one, other, ["relayed"], allowanceMs(backMs));
    await untilPath(other, one, ["relayed"], allowanceMs(backMs));
  });

  test("the relay: another takes over", async () => {
    const [path] = await pathsOf(one, other);
    const relay = relays.find(({ status }) => status.pubkey === path?.relay);
    await relay?.node.kill9();
    report("relay killed", await bothWays(one, other));
    const taken = (await pathsOf(one, other)).map((peer) => peer?.relay);
    expect(taken[0]).toBe(taken[1]);
    expect(taken[0]).toBe(relays.find((member) => member !== relay)?.status.pubkey);
  });

  test("the peer: it is said since when there is no answer, and not that no path leads to it", async () => {
    await other.node.kill9();
    // Traffic goes on; without it nobody would notice before the session ends.
    const pings = one.node.exec(["ping", "-n", "-q", "-i", "1", "-w", "30", other.status.mesh_ip], {
      limitMs: 40_000,
    });
    const peer = await until("it is seen to be silent", allowanceMs(20_000), async () => {
      const seen = await peerSeen(one, other);
      expect(seen?.path).not.toBe("impossible");
      return seen?.path === "silent" && seen;
    });
    expect(peer.path_reason).toMatch(/^no answer since \d{4}-\d\d-\d\dT/);
    const { warnings } = await one.node.rpc<{ warnings: string[] }>("daemon.status");
    expect(warnings.filter((warning) => warning.includes(other.status.pubkey))).toEqual([]);
    await pings;
  });
});

const pathsOf = (one: Member, other: Member) => Promise.all([peerSeen(one, other), peerSeen(other, one)]);

/** Some have been killed. */
const stopped = (node: MeshNode): Promise<unknown> => node.kill9();
