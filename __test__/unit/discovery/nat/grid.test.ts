/**
 * Each kind of NAT against each, with one public node that introduces. What the laboratory found possible must come out, and the
 * birthday method adds to it.
 */
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../support/seededRandom.ts";
import { FakeClock } from "../fakeClock.ts";
import { type Kind, NatNetwork } from "./natNetwork.ts";
import { NatNode } from "./natNode.ts";

/** Direct without waiting; direct when the right side goes first, so after some attempts; by many sockets; not at all. */
type Cell = "soon" | "turn" | "birthday" | "never";

const KINDS: readonly Kind[] = ["O", "F", "S", "M", "I", "R", "FC", "AR", "PR"];
/** The upper half of the laboratory's table. */
const GRID: Readonly<Record<string, readonly Cell[]>> = {
  O: ["soon", "soon", "soon", "soon", "soon", "soon", "soon", "soon", "soon"],
  F: ["soon", "soon", "soon", "turn", "birthday", "soon", "soon", "soon"],
  S: ["soon", "soon", "soon", "soon", "soon", "soon", "soon"],
  M: ["soon", "turn", "birthday", "soon", "soon", "soon"],
  I: ["never", "birthday", "soon", "soon", "turn"],
  R: ["never", "soon", "soon", "birthday"],
  FC: ["soon", "soon", "soon"],
  AR: ["soon", "soon"],
  PR: ["soon"],
};

const cells = KINDS.flatMap((a, row) =>
  KINDS.slice(row).map((b, column) => ({ a, b, cell: GRID[a]?.[column] ?? "never" })),
);

async function meet(a: Kind, b: Kind, limitMs: number, seed = ""): Promise<number | null> {
  const clock = new FakeClock();
  const chance = seededRandom(`${a} ${b} ${seed}`);
  const network = new NatNetwork(clock, () => chance.unit());
  const hub = new NatNode(clock, network, "hub", { kind: "O", seed });
  const peers = [hub.publicIp];
  const left = new NatNode(clock, network, "left", { kind: a, peers, seed });
  const right = new NatNode(clock, network, "right", { kind: b, peers, seed });
  const nodes = [hub, left, right];
  for (const { node } of nodes) await node.start();
  const bothConnected = (): boolean => left.isConnectedTo(right) && right.isConnectedTo(left);
  try {
    return await clock.until(bothConnected, limitMs, 20);
  } catch {
    return null;
  } finally {
    for (const { node } of nodes) {
      await node.crash();
      expect(node.failures).toEqual([]);
    }
  }
}

describe("a symmetric NAT against one that filters by port", () => {
  test("many sockets and many ports meet at the first attempt in at least nine of ten", async () => {
    let met = 0;
    for (let round = 0; round < 10; round++) {
      if ((await meet("R", "PR", 8_000, `round ${round}`)) !== null) met += 1;
    }
    expect(met).toBeGreaterThanOrEqual(9);
  });

  test("one that counts up is predicted, without many sockets", async () => {
    expect(await meet("Q", "PR", 2_500)).not.toBeNull();
  });
});

describe("each kind against each, with a public introducer", () => {
  test.each(cells)("$a against $b: $cell", async ({ a, b, cell }) => {
    const limitMs = { soon: 5_000, birthday: 120_000, turn: 12_000, never: 60_000 }[cell];
    const tookMs = await meet(a, b, limitMs);
    if (cell === "never") expect(tookMs).toBeNull();
    else expect(tookMs).not.toBeNull();
  });
});
