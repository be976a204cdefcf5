import { expect, test } from "vitest";
import type { Spreading } from "../../src/discovery/spreading.ts";
import { makeScenario } from "./scenario.ts";
import { simulate } from "./simulator.ts";

const NODES = 8;

/** The first scenario in which all members have `--privacy`. */
function privateSeed(): number {
  for (let seed = 1; ; seed += 1)
    if (makeScenario(seed, NODES).members.every(({ isPrivate }) => isPrivate === true)) return seed;
}

test("members with --privacy become one mesh that names nobody, and each announcement reaches all", {
  timeout: 300_000,
}, async () => {
  const seed = privateSeed();
  const { failure, announcements } = await simulate({ seed, nodes: NODES, untilDeadForgotten: true });
  expect(failure).toBeNull();
  // In twelve minutes each announces itself three times at least.
  expect(announcements).toBeGreaterThan(3 * NODES);
});

test("a planted fault is found: members that name others for all their --privacy", {
  timeout: 300_000,
}, async () => {
  const spreading = (honest: Spreading): Spreading => ({ ...honest, isPrivate: false });
  const { failure } = await simulate({ seed: privateSeed(), nodes: NODES, faults: { spreading } });
  expect(failure).toMatch(/is private and names others/);
});

test("a planted fault is found: a member that hears no announcement", { timeout: 300_000 }, async () => {
  const spreading = (honest: Spreading, { index }: { readonly index: number }): Spreading => ({
    ...honest,
    open(context, send) {
      const layer = honest.open(context, send);
      const readers = (): ReturnType<typeof layer.readers> => (index === 0 ? new Map() : layer.readers());
      return { ...layer, readers, tasks: () => layer.tasks(), status: () => layer.status() };
    },
  });
  const options = { seed: privateSeed(), nodes: NODES, untilDeadForgotten: true };
  const { failure } = await simulate({ ...options, faults: { spreading } });
  expect(failure).toMatch(/announcement .* has not reached member 0/);
});
