import { beforeEach, expect, test } from "vitest";
import { LanTurns } from "../../../src/discovery/lanTurns.ts";
import { keyOf } from "../support/announcements.ts";

const EVERY_MS = 12_000;
let turns: LanTurns;

beforeEach(() => {
  turns = new LanTurns();
  turns.spoke(0);
});

test("a turn passes when two others were heard since the last one", () => {
  turns.heard(keyOf(1));
  turns.heard(keyOf(2));
  expect(turns.passes(EVERY_MS)).toBe(true);
  expect(turns.passes(2 * EVERY_MS)).toBe(false);
});

test("not when one alone was heard, however often", () => {
  for (let times = 0; times < 10; times += 1) turns.heard(keyOf(1));
  expect(turns.passes(EVERY_MS)).toBe(false);
});

test("even so each node is heard once a minute", () => {
  const passed: boolean[] = [];
  for (let turn = 1; turn <= 6; turn += 1) {
    for (const other of [1, 2, 3]) turns.heard(keyOf(other));
    passed.push(turns.passes(turn * EVERY_MS));
    if (!passed.at(-1)) turns.spoke(turn * EVERY_MS);
  }
  expect(passed).toEqual([true, true, true, true, false, true]);
});

test("of a hundred nodes a few speak in each period, and everybody in a minute", () => {
  const nodes = Array.from({ length: 100 }, (_, index) => ({ key: keyOf(index), turns: new LanTurns() }));
  const spoken = new Map<number, number>();
  const lastSpoke = new Map<number, number>();
  for (let nowMs = 0; nowMs < 10 * 60_000; nowMs += 10) {
    // Each node has a time of its own in the period.
    const index = ((nowMs % EVERY_MS) / 10) * (100 / (EVERY_MS / 10));
    const node = Number.isInteger(index) ? nodes[index] : undefined;
    if (node === undefined || node.turns.passes(nowMs)) continue;
    node.turns.spoke(nowMs);
    for (const other of nodes) if (other !== node) other.turns.heard(node.key);
    const period = Math.floor(nowMs / EVERY_MS);
    spoken.set(period, (spoken.get(period) ?? 0) + 1);
    expect(nowMs - (lastSpoke.get(index) ?? nowMs)).toBeLessThanOrEqual(60_000 + EVERY_MS);
    lastSpoke.set(index, nowMs);
  }
  // After the first period, in which all are new: a minute's worth of nodes at most, and never nobody.
  const counts = [...spoken].filter(([period]) => period > 0).map(([, count]) => count);
  expect(Math.min(...counts)).toBeGreaterThan(0);
  expect(counts).toHaveLength(10 * 5 - 1);
  expect(counts.reduce((sum, count) => sum + count, 0) / counts.length).toBeLessThan(100 / 4);
});
