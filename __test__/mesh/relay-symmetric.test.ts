/** Two nodes behind symmetric NATs have no direct path: a public node passes their packets on. */
import { beforeAll, expect, test } from "vitest";
import type { MeshNode, PeerJson } from "./harness/node.ts";
import { allowanceMs, nowMs } from "./harness/time.ts";
import type { KindName } from "./lab/kinds.ts";
import { useInternet } from "./lab/useInternet.ts";

const internet = useInternet();

beforeAll(async () => {
  await internet.startServers({ dhtNodes: 0 });
});

function nodeAt(name: string, kind: KindName, ...flags: string[]): { node: MeshNode; address: string } {
  const site = internet.addSite(name, kind);
  const all = [...internet.discoveryFlags, "--no-dht", ...flags];
  const node = internet.lab.addNode(name, { flags: all }, site.addHost(name));
  return { node, address: site.address };
}

test("symmetric against symmetric with one public node: relayed", async () => {
  const { node: carol, address } = nodeAt("carol", "O");
  const { node: alice } = nodeAt("alice", "R", "--peer", address);
  const { node: bob } = nodeAt("bob", "R", "--peer", address);
  const startMs = nowMs();
  for (const node of [carol, alice, bob]) node.start();
  const [, here, there] = await Promise.all([carol, alice, bob].map((node) => node.untilRunning()));
  if (here === undefined || there === undefined) throw new Error("not all run");
  await Promise.all([
    alice.pingUntilAnswered(there.mesh_ip, allowanceMs(8_000)),
    bob.pingUntilAnswered(here.mesh_ip, allowanceMs(8_000)),
  ]);
  console.log(`every ping answered ${Math.round(nowMs() - startMs)} ms after launch`);
  const { peers } = await alice.rpc<{ peers: PeerJson[] }>("peers.list");
  expect(peers.find((peer) => peer.pubkey === there.pubkey)).toMatchObject({ path: "relayed" });
});
