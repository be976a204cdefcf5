import { expect, test } from "vitest";
import { formMesh } from "./formation.ts";

// Counted, not timed: what an idle node costs is how often it wakes, and what for. All of it is of a node in a minute.
test("ten nodes at rest on a LAN say little and wake seldom", { timeout: 120_000 }, async () => {
  const { datagrams, tunnelDatagrams, wakes } = await formMesh(10, 1);
  expect.soft(datagrams).toBeLessThan(25);
  expect.soft(tunnelDatagrams).toBeLessThan(60);
  expect.soft(wakes).toBeLessThan(70);
});
