/** Two nodes behind symmetric NATs have no direct path: a public node passes their packets on. */
import { beforeAll, expect, test } from "vitest";
import type { PeerJson } from "./harness/node.ts";
import { allowanceMs, nowMs } from "./harness/time.ts";
import { useInternet } from "./lab/useInternet.ts";

const internet = useInternet();

beforeAll(async () => {
  await internet.startServers({ dhtNodes: 0 });
});

test("symmetric against symmetric with one public node: relayed", async () => {
  const { node: carol, site } = internet.addNode("carol", "O");
  const { node: alice } = internet.addNode("alice", "R", "--peer", site.address);
  const { node: bob } = internet.addNode("bob", "R", "--peer", site.address);
  const startMs = nowMs();
  for (const node of [carol, alice, bob]) node.start();
  const [, here, there] = await Promise.all([carol, alice, bob].map((node) => node.untilRunning()));
  if (here === undefined || there === undefined) throw new Error("not all run");
  await Promise.all([
    alice.pingUntilAnswered(there.mesh_ip, allowanceMs(8_000)),
    bob.pingUntilAnswered(here.mesh_ip, allowanceMs(8_000)),
  ]);
  console.log(`every ping answered ${Math.round(nowMs() - startMs)} ms after launch`);
  const listed = async (): Promise<PeerJson | undefined> => {
    const { peers } = await alice.rpc<{ peers: PeerJson[] }>("peers.list");
    return peers.find((peer) => peer.pubkey === there.pubkey);
  };
  // Who never spoke to us is active by its handshake, which the next look at the interface tells.
  await expect.poll(listed, { timeout: allowanceMs(5_000) }).toMatchObject({ path: "relayed" });
});
