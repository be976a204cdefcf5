import { expect, test } from "vitest";
import { PunchBudget } from "../../../../src/discovery/rendezvous/budget.ts";

const victim = "203.0.113.9";

/** Sprays all it may, so many a second; when each spray began, in seconds, and how many packets there were in all. */
function spray(budget: PunchBudget, fromS: number, untilS: number): { begins: number[]; packets: number } {
  const begins: number[] = [];
  let packets = 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  for (let ms = fromS * 1_000; ms < untilS * 1_000; ms += 100) {
    while (budget.takeSpray(victim, ms)) {
      if (ms - lastMs > 5_000) begins.push(Math.round(ms / 1_000));
      lastMs = ms;
      packets += 1;
    }
  }
  return { begins, packets };
}

test("ports of an address that never answers are sprayed ever more rarely", () => {
  const { begins, packets } = spray(new PunchBudget(0), 0, 3_600);
  expect(begins.slice(0, 6)).toEqual([0, 30, 90, 210, 450, 930]);
  // Three packets a second over an hour.
  expect(packets).toBeLessThanOrEqual(11 * 1_024);
  expect(packets).toBeGreaterThan(8 * 1_024);
});

test("one that a path was found to has its first pause again", () => {
  const budget = new PunchBudget(0);
  expect(spray(budget, 0, 220).begins).toEqual([0, 30, 90, 210]);
  budget.proved(victim);
  expect(spray(budget, 220, 250).begins).toEqual([240]);
});

test("many sockets that send to one address share with the ports of it that are tried", () => {
  const budget = new PunchBudget(0);
  const opened = Array.from({ length: 32 }, () => budget.takeWide(victim, 256, 0)).filter(Boolean);
  expect(opened).toHaveLength(4);
  expect(budget.takeSpray(victim, 1_000)).toBe(false);
  expect(budget.takeWide("203.0.113.10", 256, 1_000)).toBe(true);
  expect(budget.takeWide(victim, 256, 31_000)).toBe(true);
});
