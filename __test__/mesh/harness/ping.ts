import { type ChildProcess, spawn } from "node:child_process";
import { ended } from "./exec.ts";
import type { MeshNode, StatusJson } from "./node.ts";
import { allowanceMs } from "./time.ts";

export interface PingCount {
  readonly sent: number;
  /** Sequence numbers, from 1, that were never answered. */
  readonly lost: readonly number[];
}

/** Pings in the background at a steady pace until `finish`. */
export class SteadyPing {
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  #output = "";

  constructor(node: MeshNode, target: string, intervalMs: number) {
    const interval = String(intervalMs / 1000);
    const [file = "", ...args] = node.command("ping", "-n", "-i", interval, target);
    this.#child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      this.#output += chunk.toString();
    });
    this.#exit = ended(this.#child);
  }

  async finish(): Promise<PingCount> {
    this.#child.kill("SIGINT");
    await this.#exit;
    return countPings(this.#output);
  }
}

/** Reads the output of an interrupted ping. The last packet does not count: its answer may have been on the way. */
export function countPings(output: string): PingCount {
  const transmitted = /(\d+) packets transmitted/.exec(output)?.[1];
  if (transmitted === undefined) throw new Error(`not the output of ping: ${output.slice(-500)}`);
  const answered = new Set(
    [...output.matchAll(/bytes from .* icmp_seq=(\d+)/g)].map((match) => Number(match[1])),
  );
  const sent = Number(transmitted) - 1;
  const sequence = Array.from({ length: sent }, (_, index) => index + 1);
  return { sent, lost: sequence.filter((number) => !answered.has(number)) };
}

/** A node and the addresses it has in the mesh. */
export interface Member {
  readonly node: MeshNode;
  readonly status: StatusJson;
}

/** Every node pings the IPv4 and IPv6 address of every other until all have been answered. */
export async function pingAllPairs(members: readonly Member[], promisedMs = 1000): Promise<void> {
  const limitMs = allowanceMs(promisedMs);
  const pairs = members.flatMap((from) => members.filter((to) => to !== from).map((to) => ({ from, to })));
  await Promise.all(
    pairs.flatMap(({ from, to }) => [
      from.node.pingUntilAnswered(to.status.mesh_ip, limitMs),
      from.node.pingUntilAnswered(to.status.mesh_ipv6, limitMs),
    ]),
  );
}

/** Starts the nodes and waits until each can ping each. */
export async function formMesh(nodes: readonly MeshNode[]): Promise<Member[]> {
  for (const node of nodes) node.start();
  const members = await Promise.all(nodes.map(async (node) => ({ node, status: await node.untilRunning() })));
  await pingAllPairs(members);
  return members;
}
