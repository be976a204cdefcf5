/** Nodes behind NATs meet, from nothing but a secret. */
import { beforeAll, describe, expect, test } from "vitest";
import type { MeshNode } from "../harness/node.ts";
import { allowanceMs, until } from "../harness/time.ts";
import { capture } from "./capture.ts";
import { addNodeAt, launch, newMesh, peerSeen, untilAllAnswer, untilPath } from "./scenario.ts";
import { useInternet } from "./useInternet.ts";

/** Promised from launch to every ping answered. */
const meetingMs = 5000;
const relayedMs = 8000;
/** At most 16 bytes, the pattern of a ping. */
const text = "read by nobody!!";

describe("nodes behind NATs", () => {
  const internet = useInternet();
  const homes = ["p1", "p2", "p3"].map((name) => internet.addSite(name, "PR"));
  const symmetric = ["r1", "r2"].map((name) => internet.addSite(name, "R"));
  const open = internet.addSite("open", "O");
  // A router is looked at from a host behind it.
  for (const site of [...homes, ...symmetric]) site.addHost(`${site.name}-probe`);

  beforeAll(async () => {
    await internet.startServers();
    await internet.verifyAll();
  });

  const stopAll = (nodes: readonly MeshNode[]) => Promise.all(nodes.map((node) => node.stop()));

  test("three that are port-restricted meet with nothing but the DHT and STUN, directly", async () => {
    const secretFile = newMesh(internet, "alone");
    const nodes = homes.map((site) => addNodeAt(internet, site, `${site.name}-alone`, { secretFile }));
    const members = await launch(nodes);
    const ms = await untilAllAnswer(members, meetingMs);
    console.log(`port-restricted, DHT only: ${Math.round(ms)} ms after running`);
    for (const from of members) {
      for (const to of members)
        if (from !== to) expect((await peerSeen(from, to))?.path).toMatch(/direct|bridged/);
    }
    await stopAll(nodes);
  });

  test("the same three meet with one public introducer", async () => {
    const secretFile = newMesh(internet, "introduced");
    const introducer = addNodeAt(internet, open, "introducer", { secretFile });
    const nodes = homes.map((site) => addNodeAt(internet, site, `${site.name}-introduced`, { secretFile }));
    const ms = await untilAllAnswer(await launch([introducer, ...nodes]), meetingMs);
    console.log(`port-restricted, one introducer: ${Math.round(ms)} ms after running`);
    await stopAll([introducer, ...nodes]);
  });

  test("two behind symmetric NATs talk through a public node, which sees no plaintext", async () => {
    const secretFile = newMesh(internet, "relayed");
    const relay = addNodeAt(internet, open, "relay", { secretFile });
    const ends = symmetric.map((site) => addNodeAt(internet, site, `${site.name}-relayed`, { secretFile }));
    const [, one, other] = await launch([relay, ...ends]);
    if (one === undefined || other === undefined) throw new Error("no mesh");
    const ms = await untilAllAnswer([one, other], relayedMs);
    console.log(`symmetric with symmetric, relayed: ${Math.round(ms)} ms after running`);
    await untilPath(one, other, ["relayed"], relayedMs);
    await untilPath(other, one, ["relayed"], relayedMs);
    // At an end of the tunnel the same text is seen: so it would be, could the relay read it.
    const captures = await Promise.all([relay, one.node].map(({ host }) => capture(host.namespace, text)));
    const pattern = ["-s", "256", "-p", Buffer.from(text).toString("hex")];
    const ping = ["ping", "-n", "-c", "20", "-i", "0.05", ...pattern, other.status.mesh_ip];
    expect((await one.node.exec(ping)).stdout).toContain("20 received");
    const [atRelay, atEnd] = await Promise.all(captures.map((running) => running.stop()));
    expect(atEnd?.plaintext).toBeGreaterThanOrEqual(40);
    expect(atRelay?.packets).toBeGreaterThanOrEqual(40);
    expect(atRelay?.plaintext).toBe(0);
    await stopAll([relay, ...ends]);
  });

  test("a pair that no path leads to is told of in the status, with the reason", async () => {
    const secretFile = newMesh(internet, "impossible");
    const unhelpful = addNodeAt(internet, open, "no-relay", { secretFile, flags: ["--no-relay"] });
    const ends = symmetric.map((site) =>
      addNodeAt(internet, site, `${site.name}-impossible`, { secretFile }),
    );
    const [, one, other] = await launch([unhelpful, ...ends]);
    if (one === undefined || other === undefined) throw new Error("no mesh");
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      const told = `no path to peer ${to.status.pubkey}: `;
      await until(`${from.node.name} tells of it`, allowanceMs(relayedMs), async () => {
        const { warnings } = await from.node.rpc<{ warnings: string[] }>("daemon.status");
        return warnings.some((warning) => warning.startsWith(told) && warning.length > told.length);
      });
    }
    await stopAll([unhelpful, ...ends]);
  });
});
