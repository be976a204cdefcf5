/**
 * Two homes of one carrier: both are behind the same carrier-grade NAT, each behind a router of its own, with the same private
 * addresses. The carrier's NAT either passes back what is sent to its own outside (a hairpin, RFC 4787 REQ-9) or does not.
 */
import { beforeAll, describe, expect, test } from "vitest";
import type { Member } from "../harness/ping.ts";
import { addNodeAt, launch, newMesh, peerSeen, untilAllAnswer, untilPath } from "./scenario.ts";
import type { Site } from "./site.ts";
import { useInternet } from "./useInternet.ts";

/** Promised from launch to every ping answered. */
const meetingMs = 5000;
const relayedMs = 8000;

describe("two homes of one carrier", () => {
  const internet = useInternet();
  const homesOf = (name: string, hairpin: boolean): readonly Site[] => {
    const upstream = internet.addSite(name, "PR", { carrier: true, hairpin });
    return [1, 2].map((number) => internet.addSite(`${name}${number}`, "M", { upstream }));
  };
  const turning = homesOf("turning", true);
  const plain = homesOf("plain", false);
  const open = internet.addSite("open", "O");

  beforeAll(async () => {
    await internet.startServers();
    for (const site of [...turning, ...plain]) site.addHost(`${site.name}-probe`);
    await internet.verifyAll();
  });

  async function meshAt(sites: readonly Site[], name: string): Promise<Member[]> {
    const secretFile = newMesh(internet, name);
    return launch(sites.map((site) => addNodeAt(internet, site, `${site.name}-${name}`, { secretFile })));
  }

  const stopAll = (members: readonly Member[]) => Promise.all(members.map(({ node }) => node.stop()));

  test("that passes their packets back: direct, with nothing but the DHT and STUN", async () => {
    const [one, other] = (await meshAt(turning, "alone")) as [Member, Member];
    const ms = await untilAllAnswer([one, other], meetingMs);
    console.log(`one carrier, with hairpin, alone: ${Math.round(ms)} ms after running`);
    await untilPath(one, other, ["direct"], 10 * meetingMs);
    await untilPath(other, one, ["direct"], 10 * meetingMs);
    expect((await peerSeen(one, other))?.endpoint).toContain(turning[0]?.address);
    await stopAll([one, other]);
  });

  test("that does not, alone: neither ever hears of the other", async () => {
    const [one, other] = (await meshAt(plain, "alone")) as [Member, Member];
    const ping = ["ping", "-n", "-q", "-c", "1", "-w", "8", "-i", "0.2", other.status.mesh_ip];
    expect((await one.node.exec(ping)).code).not.toBe(0);
    for (const { node } of [one, other]) expect(await node.rpc("peers.list")).toEqual({ peers: [] });
    await stopAll([one, other]);
  });

  test("that does not: relayed by a public node", async () => {
    const members = await meshAt([...plain, open], "relayed");
    const [one, other] = members as [Member, Member, Member];
    const ms = await untilAllAnswer(members, relayedMs);
    console.log(`one carrier, without hairpin, with a public node: ${Math.round(ms)} ms after running`);
    await untilPath(one, other, ["relayed"], 10 * relayedMs);
    await untilPath(other, one, ["relayed"], 10 * relayedMs);
    await stopAll(members);
  });
});
