import { describe, expect, test } from "vitest";
import { ClockDifferences } from "../../../src/discovery/clockDifferences.ts";

const MINUTE = 60;

describe("clocks that are too far apart", () => {
  test("are told of, with who and by how much", () => {
    const clocks = new ClockDifferences();
    expect(clocks.problem(0)).toBeNull();
    expect(clocks.note("203.0.113.5", 11 * MINUTE, 1000)).toBe(true);
    expect(clocks.problem(1000)).toContain("the clock of 203.0.113.5 is 11 minutes ahead of ours");
    clocks.note("203.0.113.6", -61 * MINUTE, 2000);
    expect(clocks.problem(2000)).toContain(
      "the clock of 203.0.113.6 and of 1 more is 61 minutes behind ours",
    );
  });

  test("are news once for each host, and again when it had been quiet", () => {
    const clocks = new ClockDifferences();
    expect([0, 1000, 2000].map((nowMs) => clocks.note("203.0.113.5", 700, nowMs))).toEqual([
      true,
      false,
      false,
    ]);
    expect(clocks.note("203.0.113.5", 700, 2000 + 5 * 60_000 + 1)).toBe(true);
  });

  test("are forgotten once they have been set right", () => {
    const clocks = new ClockDifferences();
    clocks.note("203.0.113.5", 700, 0);
    expect(clocks.problem(5 * 60_000)).not.toBeNull();
    expect(clocks.problem(5 * 60_000 + 1)).toBeNull();
  });

  test("take no more memory the more hosts there are", () => {
    const clocks = new ClockDifferences();
    for (let host = 0; host < 1000; host += 1) clocks.note(`198.51.100.${host}`, 700, 0);
    expect(clocks.problem(0)).toContain("of 63 more");
  });
});
