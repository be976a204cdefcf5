import fc from "fast-check";
import { expect, test } from "vitest";
import { DueTimes } from "../../../src/core/dueTimes.ts";

test("knows what is due first, as a list that is searched does", () => {
  const step = fc.record({
    key: fc.nat(12),
    atMs: fc.option(fc.oneof(fc.nat(50), fc.constant(Number.POSITIVE_INFINITY)), { nil: null }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), fc.nat(60), (steps, nowMs) => {
      const due = new DueTimes<number>();
      const model = new Map<number, number>();
      for (const { key, atMs } of steps) {
        if (atMs === null) {
          due.delete(key);
          model.delete(key);
        } else {
          due.set(key, atMs);
          model.set(key, atMs);
        }
        const times = [...model.values()].filter(Number.isFinite);
        expect(due.nextAtMs()).toBe(times.length === 0 ? null : Math.min(...times));
      }
      const expected = [...model].filter(([, atMs]) => atMs <= nowMs).map(([key]) => key);
      const found = due.due(nowMs);
      expect([...found].sort((a, b) => a - b)).toEqual(expected.sort((a, b) => a - b));
      expect(found.map((key) => model.get(key))).toEqual(
        found.map((key) => model.get(key) as number).sort((a, b) => a - b),
      );
      // Looking changes nothing.
      expect(due.due(nowMs)).toHaveLength(found.length);
    }),
  );
});

test("forgets everything at once", () => {
  const due = new DueTimes<string>();
  due.set("a", 5);
  due.clear();
  expect([due.nextAtMs(), due.due(10)]).toEqual([null, []]);
});
