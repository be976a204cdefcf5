import { expect, test } from "vitest";
import { replayCommand, simulate } from "./simulator.ts";

const NODES = 30;
const A_TEST = 10;

/** Tests that run these seeds, ten each; one that fails says how to see it again. */
export function testSeeds(first: number, last: number): void {
  for (let from = first; from <= last; from += A_TEST) {
    const to = Math.min(from + A_TEST - 1, last);
    test(`meshes of ${NODES} nodes, seeds ${from} to ${to}, keep what must hold and agree in the end`, {
      timeout: 600_000,
    }, async () => {
      const failures: string[] = [];
      for (let seed = from; seed <= to; seed += 1) {
        // Those that wait until the dead are forgotten take twelve virtual minutes more.
        const outcome = await simulate({ seed, nodes: NODES, untilDeadForgotten: seed % 50 === 0 });
        if (outcome.failure === null) continue;
        failures.push(`${replayCommand({ seed, nodes: NODES })}\n${outcome.failure}`);
      }
      expect(failures.join("\n\n")).toBe("");
    });
  }
}
