import { type ChildProcess, spawn } from "node:child_process";
import { ended } from "./exec.ts";
import type { MeshNode, StatusJson } from "./node.ts";
import { countPings, type PingCount } from "./pingOutput.ts";
import { allowanceMs, isEmulated } from "./time.ts";

/** How long an answer may take on a busy machine: what was sent later than this before the end may have been on its way. */
const ON_ITS_WAY_MS = 500;

/** A dozen faster pings are all that an emulated machine would do, and their answers are late. */
const CROWD = isEmulated
  ? { leastIntervalMs: 50, onItsWayMs: 5_000 }
  : { leastIntervalMs: 0, onItsWayMs: ON_ITS_WAY_MS };

/** Pings in the background at a steady pace until `finish`. */
export class SteadyPing {
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  readonly #onItsWay: number;
  #output = "";

  /** @param alone whether no dozen of others runs beside it: then it keeps its pace on any machine. */
  constructor(node: MeshNode, target: string, wantedIntervalMs: number, alone = false) {
    const intervalMs = alone ? wantedIntervalMs : Math.max(CROWD.leastIntervalMs, wantedIntervalMs);
    this.#onItsWay = Math.ceil((alone ? ON_ITS_WAY_MS : CROWD.onItsWayMs) / intervalMs);
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
    return countPings(this.#output, this.#onItsWay);
  }
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

/** Beside other suites an emulated machine may get a quarter of a core: a daemon's start then takes a minute, and greetings are late. */
const FORMED_WITHIN_MS = isEmulated ? 5_000 : 1_000;

/** Starts the nodes and waits until each can ping each. */
export async function formMesh(nodes: readonly MeshNode[]): Promise<Member[]> {
  for (const node of nodes) node.start();
  const members = await Promise.all(nodes.map(async (node) => ({ node, status: await node.untilRunning() })));
  // Before the first test nobody else shows what the nodes said.
  await pingAllPairs(members, FORMED_WITHIN_MS).catch((error: unknown) => {
    const logs = nodes.map((node) => `--- ${node.name}\n${node.logTail(40)}`);
    throw new Error([String(error), ...logs].join("\n"));
  });
  return members;
}
