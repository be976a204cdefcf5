/** A pair that reaches each other through a relay alone moves to a new secret like any other. */
import path from "node:path";
import { beforeAll, expect, test } from "vitest";
import type { MeshNode, PeerJson, StatusJson } from "./harness/node.ts";
import { allowanceMs, nowMs, until } from "./harness/time.ts";
import { useInternet } from "./lab/useInternet.ts";

interface Rotation {
  readonly phase: string;
  readonly peers: readonly { readonly pubkey: string; readonly has: boolean }[];
}

const internet = useInternet();

beforeAll(async () => {
  await internet.startServers({ dhtNodes: 0 });
});

const status = (node: MeshNode): Promise<StatusJson> => node.rpc<StatusJson>("daemon.status");
const rotation = (node: MeshNode): Promise<Rotation> => node.rpc<Rotation>("rotation.get");

async function untilRelayed(node: MeshNode, pubkey: string): Promise<void> {
  await until(`${node.name} says that the peer is relayed`, allowanceMs(2_000), async () => {
    const { peers } = await node.rpc<{ peers: PeerJson[] }>("peers.list");
    return peers.find((peer) => peer.pubkey === pubkey)?.path === "relayed";
  });
}

const hasIt = async (node: MeshNode): Promise<number> =>
  (await rotation(node)).peers.filter((peer) => peer.has).length;

/** Takes the secret once the node has heard of it. */
async function accept(node: MeshNode, file: string): Promise<void> {
  const isAnnounced = async (): Promise<boolean> => (await rotation(node)).phase === "announced";
  await until(`${node.name} has heard of it`, allowanceMs(5_000), isAnnounced);
  await node.clientJson("rotate-secret", "--accept", "--secret-file", file);
}

/** Until both have an answer from the other's mesh address of now. */
async function untilBothAnswer(one: MeshNode, other: MeshNode): Promise<void> {
  const startMs = nowMs();
  const [here, there] = await Promise.all([one, other].map(status));
  await Promise.all([
    one.pingUntilAnswered(there?.mesh_ip ?? "", allowanceMs(4_000)),
    other.pingUntilAnswered(here?.mesh_ip ?? "", allowanceMs(4_000)),
  ]);
  console.log(
    `every ping of ${one.name} and ${other.name} answered after ${Math.round(nowMs() - startMs)} ms`,
  );
}

test("relayed pairs move to a new secret like any other, also one whose ends move one after the other", async () => {
  const { node: carol, site } = internet.addNode("carol", "O");
  const { node: alice } = internet.addNode("alice", "R", "--peer", site.address);
  const { node: bob } = internet.addNode("bob", "R", "--peer", site.address);
  const { node: late } = internet.addNode("late", "R", "--peer", site.address);
  const file = path.join(internet.lab.folder, "next.secret");
  const nodes = [carol, alice, bob];
  for (const node of [...nodes, late]) node.start();
  const [, inAlice, inBob, inLate] = await Promise.all([...nodes, late].map((node) => node.untilRunning()));
  if (inAlice === undefined || inBob === undefined || inLate === undefined) throw new Error("not all run");
  await Promise.all(
    [inBob, inLate].map(({ mesh_ip }) => alice.pingUntilAnswered(mesh_ip, allowanceMs(8_000))),
  );
  await untilRelayed(alice, inBob.pubkey);

  await carol.clientJson("rotate-secret", "--grace", "1h", "--output", file);
  await accept(alice, file);
  await accept(bob, file);
  const acceptedMs = nowMs();
  for (const node of nodes) {
    await until(`${node.name} knows that both others have it`, 20_000, async () => (await hasIt(node)) === 2);
  }
  console.log(`all know who has it ${Math.round(nowMs() - acceptedMs)} ms after the last took it`);

  for (const node of nodes) await node.clientJson("rotate-secret", "--complete");
  await untilBothAnswer(alice, bob);
  await untilRelayed(alice, inBob.pubkey);
  for (const node of nodes) {
    expect((await node.wgPeers())?.map(({ publicKey }) => publicKey)).not.toContain(inLate.pubkey);
  }

  await late.clientJson("rotate-secret", "--accept", "--secret-file", file);
  await until("the late one meets the public node", 20_000, async () => (await hasIt(late)) > 0);
  await late.clientJson("rotate-secret", "--complete");
  await untilBothAnswer(alice, late);
  await untilRelayed(alice, inLate.pubkey);
}, 180_000);
