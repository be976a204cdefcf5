/** A node that behaves as the Go peer does, behind a NAT, in one mesh with ours: one public node of ours introduces them. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GoPeer, type RunningGoPeer } from "../goPeer/goPeer.ts";
import { MeshNode } from "../harness/node.ts";
import type { Member } from "../harness/ping.ts";
import { allowanceMs, nowMs } from "../harness/time.ts";
import { addNodeAt, launch, newMesh, untilAllAnswer } from "./scenario.ts";
import type { Site } from "./site.ts";
import { useInternet } from "./useInternet.ts";

/** It reconciles every 5 s; START comes 1.8 s after the OFFER, and its sweep every 10 s. */
const meetingMs = 10_000;

describe("a Go peer behind a port-restricted NAT", () => {
  const internet = useInternet();
  const goHome = internet.addSite("go-home", "M");
  const homes = ["home1", "home2"].map((name) => internet.addSite(name, "PR"));
  const open = internet.addSite("open", "O");
  let go: GoPeer | null = null;

  beforeAll(async () => {
    await internet.startServers();
    for (const site of [goHome, ...homes]) site.addHost(`${site.name}-probe`);
    await internet.verifyAll();
  });

  afterAll(() => go?.stop());

  const reachEachOther = (members: readonly Member[], { place, running }: Running): Promise<unknown> =>
    Promise.all(
      members.flatMap(({ node, status }) => [
        node.pingUntilAnswered(running.mesh_ip, allowanceMs(meetingMs)),
        place.pingUntilAnswered(status.mesh_ip, allowanceMs(meetingMs)),
      ]),
    );

  test("meets our public node, which introduces nodes of ours behind NATs to it: pings both ways", async () => {
    const secretFile = newMesh(internet, "go");
    const introducer = addNodeAt(internet, open, "introducer", { secretFile, flags: ["--introducer"] });
    const early = addNodeAt(internet, homes[0] as Site, "early", { secretFile });
    const members = await launch([introducer, early]);
    await untilAllAnswer(members, meetingMs);
    const start = nowMs();
    const place = new MeshNode("go", goHome.addHost("go"), {});
    go = new GoPeer(place, secretFile, introducer.host.address);
    const running = await go.event<RunningGoPeer>("running");
    await reachEachOther(members, { place, running });
    console.log(`Go peer and ours behind NATs: ${Math.round(nowMs() - start)} ms after its launch`);

    // Who comes later is made known to it by a START: nothing else gets through its NAT.
    const late = await launch([addNodeAt(internet, homes[1] as Site, "late", { secretFile })]);
    const lateStart = nowMs();
    await reachEachOther(late, { place, running });
    console.log(`ours behind a NAT, later: ${Math.round(nowMs() - lateStart)} ms after running`);
    const lateKey = late[0]?.status.pubkey;
    expect(go.events.filter(({ event, key }) => event === "start" && key === lateKey)).not.toEqual([]);

    const events = go.events.map(({ event }) => event);
    expect(events).not.toContain("failed");
    expect(events).not.toContain("rejected");
    const { dropped, handshakes } = await go.status();
    expect(dropped).toEqual({});
    for (const { node, status } of [...members, ...late]) {
      expect(handshakes[status.pubkey]).toBeGreaterThan(0);
      await node.stop();
    }
  });
});

interface Running {
  readonly place: MeshNode;
  readonly running: RunningGoPeer;
}
