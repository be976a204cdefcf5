/** What the scenarios share: a mesh over places of the Internet, and how long it takes to (again) answer every ping. */
import type { MeshNode, NodeOptions, PeerJson } from "../harness/node.ts";
import type { Member } from "../harness/ping.ts";
import { allowanceMs, nowMs, until } from "../harness/time.ts";
import { separateSecretFile } from "./grid/meshSecret.ts";
import type { Internet } from "./internet.ts";
import type { Site } from "./site.ts";

/** Adds a node to a place, on a host of its own; it asks the Internet's servers and nobody else. */
export function addNodeAt(internet: Internet, site: Site, name: string, options: NodeOptions = {}): MeshNode {
  const flags = [...internet.discoveryFlags, ...(options.flags ?? [])];
  return internet.lab.addNode(name, { ...options, flags }, site.addHost(name));
}

/** A secret no other test of this Internet has. */
export const newMesh = (internet: Internet, name: string): string => separateSecretFile(internet.lab, name);

/** Launches the nodes; resolves when all run. */
export async function launch(nodes: readonly MeshNode[]): Promise<Member[]> {
  for (const node of nodes) node.start();
  return Promise.all(nodes.map(async (node) => ({ node, status: await node.untilRunning() })));
}

/** Every node pings every other over IPv4 until all have been answered; returns the milliseconds that took. */
export async function untilAllAnswer(members: readonly Member[], promisedMs: number): Promise<number> {
  const start = nowMs();
  const pairs = members.flatMap((from) => members.filter((to) => to !== from).map((to) => ({ from, to })));
  await Promise.all(pairs.map(({ from, to }) => untilAnswered(from, to, promisedMs)));
  return nowMs() - start;
}

/** One process for all pings, one every `seconds`: scenarios have many pairs. */
export async function untilAnswered(
  from: Member,
  to: Member,
  promisedMs: number,
  everySeconds = 0.1,
): Promise<number> {
  const start = nowMs();
  const seconds = String(Math.ceil(allowanceMs(promisedMs) / 1000));
  const command = [
    "ping",
    "-n",
    "-q",
    "-c",
    "1",
    "-w",
    seconds,
    "-i",
    String(everySeconds),
    to.status.mesh_ip,
  ];
  const { code } = await from.node.exec(command, { limitMs: allowanceMs(promisedMs) + 10_000 });
  if (code !== 0) throw new Error(`${from.node.name} has no answer from ${to.node.name} in ${seconds} s`);
  return nowMs() - start;
}

/** What one node's peer list says of another. */
export async function peerSeen(from: Member, to: Member): Promise<PeerJson | undefined> {
  const { peers } = await from.node.rpc<{ peers: PeerJson[] }>("peers.list");
  return peers.find(({ pubkey }) => pubkey === to.status.pubkey);
}

/** Waits until one node sees another by one of these paths. */
export const untilPath = (from: Member, to: Member, paths: readonly PeerJson["path"][], limitMs: number) =>
  until(`${from.node.name} reaches ${to.node.name} ${paths.join(" or ")}`, limitMs, async () => {
    const path = (await peerSeen(from, to))?.path;
    return path !== undefined && paths.includes(path) && path;
  });
