/** A move to a new secret where nodes know each other by the DHT alone, behind NATs, and beside a Go peer, which cannot follow. */
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GoPeer, type RunningGoPeer } from "./goPeer/goPeer.ts";
import { must } from "./harness/exec.ts";
import { MeshNode, type StatusJson } from "./harness/node.ts";
import { formMesh, type Member, pingAllPairs, SteadyPing } from "./harness/ping.ts";
import { allowanceMs, nowMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";
import { addNodeAt, launch, newMesh, untilAllAnswer } from "./lab/scenario.ts";
import { useInternet } from "./lab/useInternet.ts";

interface Rotation {
  readonly phase: string;
  readonly peers: readonly { readonly pubkey: string; readonly has: boolean }[];
}

/** Moves all to a secret that is written to `file`; resolves once each has completed. */
async function move(members: readonly Member[], file: string): Promise<void> {
  const [first, ...others] = members as [Member, ...Member[]];
  await first.node.clientJson("rotate-secret", "--grace", "1h", "--output", file);
  for (const { node } of others) {
    const isAnnounced = async (): Promise<boolean> =>
      (await node.rpc<Rotation>("rotation.get")).phase === "announced";
    await until(`${node.name} has heard of it`, allowanceMs(5_000), isAnnounced);
    await node.clientJson("rotate-secret", "--accept", "--secret-file", file);
  }
  const startMs = nowMs();
  for (const { node } of members) {
    await until(`${node.name} knows that all others have it`, allowanceMs(15_000), async () => {
      const { peers } = await node.rpc<Rotation>("rotation.get");
      return peers.filter((peer) => peer.has).length === others.length;
    });
  }
  console.log(`all know who has it ${Math.round(nowMs() - startMs)} ms after the last took it`);
  for (const { node } of members) await node.clientJson("rotate-secret", "--complete");
}

const again = (members: readonly Member[]): Promise<Member[]> =>
  Promise.all(
    members.map(async ({ node }) => ({ node, status: await node.rpc<StatusJson>("daemon.status") })),
  );

/** Each pings the next, round and round, until it is told to stop; none may be lost. */
function pingRound(members: readonly Member[]): { finish(): Promise<void> } {
  const pings = members.map(
    ({ node }, index) =>
      new SteadyPing(node, (members[(index + 1) % members.length] as Member).status.mesh_ip, 20),
  );
  return {
    finish: async () => {
      const counts = await Promise.all(pings.map((ping) => ping.finish()));
      expect(counts.map(({ lost }) => lost)).toEqual(pings.map(() => []));
      for (const { sent } of counts) expect(sent).toBeGreaterThan(20);
    },
  };
}

describe("nodes behind NATs that found each other by the DHT alone", () => {
  const internet = useInternet();
  const sites = [
    internet.addSite("home1", "PR"),
    internet.addSite("home2", "PR"),
    internet.addSite("home3", "F"),
  ];

  test("move without a lost ping, and are all there in the new mesh", async () => {
    await internet.startServers();
    const secretFile = newMesh(internet, "former");
    const nodes = sites.map((site) => addNodeAt(internet, site, `${site.name}-moves`, { secretFile }));
    const members = await launch(nodes);
    await untilAllAnswer(members, 8_000);
    const pings = pingRound(members);
    await move(members, path.join(internet.lab.folder, "next.secret"));
    const moved = await again(members);
    for (const [index, { status }] of moved.entries()) {
      expect(status.mesh_ip).not.toBe(members[index]?.status.mesh_ip);
    }
    const ms = await untilAllAnswer(moved, 5_000);
    console.log(`every ping answered in the new mesh ${Math.round(ms)} ms after the move`);
    await pings.finish();
  });
});

describe("a Go peer in a mesh that moves", () => {
  const lab = useLab();
  const nodes = [lab.addNode("a"), lab.addNode("b")] as const;
  const place = new MeshNode("go", lab.addHost("go"), {});
  const file = path.join(lab.folder, "next.secret");
  let go: GoPeer;

  beforeAll(() => {
    // It announces itself on the system's default interface.
    must(["ip", "-n", place.host.namespace, "route", "add", "224.0.0.0/4", "dev", "eth0"]);
    go = new GoPeer(place, lab.secretFile);
  });
  afterAll(() => go.stop());

  const reachEachOther = (members: readonly Member[], { mesh_ip }: RunningGoPeer): Promise<unknown> =>
    Promise.all(
      members.flatMap(({ node, status }) => [
        node.pingUntilAnswered(mesh_ip, allowanceMs(8_000)),
        place.pingUntilAnswered(status.mesh_ip, allowanceMs(8_000)),
      ]),
    );

  test("is out once ours have completed, costs them no ping, and is back with the new secret", async () => {
    const members = await formMesh(nodes);
    const former = await go.event<RunningGoPeer>("running");
    await reachEachOther(members, former);
    const pings = pingRound(members);
    await move(members, file);
    const moved = await again(members);
    await pingAllPairs(moved, 5_000);
    await pings.finish();
    for (const { node, status } of moved) {
      expect((await node.wgPeers())?.map(({ publicKey }) => publicKey)).not.toContain(former.key);
      const { code } = await place.exec(["ping", "-n", "-q", "-c", "1", "-W", "1", status.mesh_ip]);
      expect(code).not.toBe(0);
    }
    await go.stop();
    go = new GoPeer(place, file);
    await reachEachOther(moved, await go.event<RunningGoPeer>("running"));
  });
});
