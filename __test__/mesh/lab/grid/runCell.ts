/** One cell of the grid: a mesh of its own at two places of an Internet that many cells share. */
import type { Host } from "../../harness/lab.ts";
import type { MeshNode, PeerJson } from "../../harness/node.ts";
import type { Member } from "../../harness/ping.ts";
import { delay, nowMs } from "../../harness/time.ts";
import type { Internet } from "../internet.ts";
import { forwardedPorts } from "../kinds.ts";
import { type Cell, hopedOutcome, isWorse, leastOutcome, type Outcome } from "./cells.ts";
import { separateSecretFile } from "./meshSecret.ts";

export interface CellPlaces {
  readonly one: Host;
  readonly other: Host;
  readonly introducer: Host;
}

export interface CellResult {
  readonly outcome: Outcome;
  /** From launch to the first answered pings, both ways; null without any. */
  readonly pingedMs: number | null;
  /** From launch to the outcome. */
  readonly settledMs: number;
  /** What the nodes' `peers list` said at the end, for a cell that is worse than it must be. */
  readonly story: string;
}

/** Ten times what a mesh over the DHT is promised in. */
const limitMs = 50_000;
/** A cell that cannot be is given up after this: three times what others need. */
const hopelessMs = 15_000;
/** A path that is relayed may still become direct: by the second attempt, 35 s after the first, or the third, 70 s later. */
const upgradeMs = 125_000;

let meshes = 0;

/** Launches the cell's nodes, watches what becomes of them, ends them. */
export async function runCell(internet: Internet, cell: Cell, places: CellPlaces): Promise<CellResult> {
  const number = meshes++;
  const secretFile = separateSecretFile(internet.lab, `cell${number}`);
  const add = (role: string, host: Host, ...flags: string[]): MeshNode =>
    internet.lab.addNode(
      `cell${number}-${role}`,
      {
        secretFile,
        iface: `wg${number}`,
        flags: [
          ...internet.discoveryFlags,
          ...["--listen-port", String(forwardedPorts.from + (number % 100))],
          ...["--mesh-subnet", `10.${number % 250}.0.0/16`],
          ...flags,
        ],
      },
      { ...host, folder: internet.lab.newFolder(`cell${number}-${role}`) },
    );
  const one = add("one", places.one);
  const other = add("other", places.other);
  const introducer = cell.company === "introducer" ? [add("introducer", places.introducer)] : [];
  const nodes = [one, other, ...introducer];
  try {
    const start = nowMs();
    for (const node of nodes) node.start();
    const statuses = await Promise.all([one.untilRunning(), other.untilRunning()]);
    const ends = [
      { node: one, status: statuses[0] },
      { node: other, status: statuses[1] },
    ] as const;
    const least = leastOutcome(cell);
    const patience = least === "impossible" ? hopelessMs : limitMs;
    const answers = await Promise.all([
      pinged(one, statuses[1].mesh_ip, patience),
      pinged(other, statuses[0].mesh_ip, patience),
    ]);
    const answered = answers.every(Boolean);
    const pingedMs = answered ? nowMs() - start : null;
    let outcome: Outcome = answered ? await pathOutcome(ends) : "impossible";
    const end = nowMs() + upgradeMs;
    while (isWorse(outcome, hopedOutcome(cell)) && answered && nowMs() < end) {
      await delay(500);
      outcome = await pathOutcome(ends);
    }
    const settledMs = nowMs() - start;
    const story = JSON.stringify(await Promise.all([one, other].map(peersOf)));
    return { outcome, pingedMs, settledMs, story };
  } finally {
    await Promise.all(nodes.map((node) => node.kill9()));
  }
}

/** True once a ping is answered, false after the limit. */
async function pinged(node: MeshNode, target: string, limit: number): Promise<boolean> {
  // One process for all: a batch of cells shares two cores.
  const seconds = String(Math.ceil(limit / 1000));
  const { code } = await node.exec(["ping", "-n", "-q", "-c", "1", "-w", seconds, "-i", "0.2", target]);
  return code === 0;
}

async function peersOf(node: MeshNode): Promise<readonly PeerJson[]> {
  return (await node.rpc<{ peers: PeerJson[] }>("peers.list").catch(() => ({ peers: [] }))).peers;
}

/** How each sees the path to the other; the worse of the two. */
async function pathOutcome(ends: readonly [Member, Member]): Promise<Outcome> {
  const paths = await Promise.all(
    ends.map(async ({ node }, index) => {
      const other = ends[1 - index]?.status.pubkey;
      return (await peersOf(node)).find(({ pubkey }) => pubkey === other)?.path;
    }),
  );
  if (paths.every((path) => path === "direct" || path === "bridged")) return "direct";
  return paths.includes("impossible") ? "impossible" : "relayed";
}
