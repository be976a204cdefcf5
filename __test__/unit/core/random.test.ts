import { expect, test } from "vitest";
import { systemRandom } from "../../../src/core/random.ts";

test("the system's chance gives numbers below 1 and different bytes", () => {
  const units = Array.from({ length: 1000 }, () => systemRandom.unit());
  expect(Math.min(...units)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...units)).toBeLessThan(1);
  expect(new Set(units).size).toBe(units.length);
  expect(systemRandom.bytes(12)).toHaveLength(12);
  expect(systemRandom.bytes(12)).not.toEqual(systemRandom.bytes(12));
});
