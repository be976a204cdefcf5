import { expect, test } from "vitest";
import { formMesh } from "./formation.ts";

// Counted, not timed: what an idle node costs is how often it wakes, and what for. All of it is of a node in a minute.
test("ten nodes at rest on a LAN say little and wake seldom", { timeout: 120_000 }, async () => {
  const { datagrams, tunnelDatagrams, wakes } = await formMesh(10, 1);
  expect.soft(datagrams).toBeLessThan(25);
  expect.soft(tunnelDatagrams).toBeLessThan(60);
  expect.soft(wakes).toBeLessThan(70);
});

test("nodes that know half of the others at most are one mesh, each with tunnels to some of those", {
  timeout: 120_000,
}, async () => {
  const rest = { calmsMs: 10_000, measuredMs: 10_000 };
  const { convergedMs, tunnels } = await formMesh(13, 1, { maxPeers: 6, rest });
  expect.soft(convergedMs).toBeLessThan(60_000);
  expect.soft(tunnels).toBeGreaterThanOrEqual(2);
  expect.soft(tunnels).toBeLessThanOrEqual(6);
});

// More than may be strangers at once, so some find no place at first.
test("230 nodes that start together are one mesh in seconds", { timeout: 600_000 }, async () => {
  const rest = { calmsMs: 1_000, measuredMs: 1_000 };
  const { convergedMs, tunnels } = await formMesh(230, 1, { rest });
  expect(convergedMs).toBeLessThan(10_000);
  expect(tunnels).toBe(229);
});
