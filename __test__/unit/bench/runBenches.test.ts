import { expect, test } from "vitest";
import type { Bench, Measure } from "../../../bench/measure.ts";
import { isFailure, runBenches } from "../../../bench/runBenches.ts";

const measure = (name: string): Measure => ({ name, what: name, unit: "ms", goal: "", samples: [1] });

test("a bench that fails takes nothing from the others, nor the rows it had found", async () => {
  const broken = new Error("no such program");
  const benches: Bench[] = [
    { name: "whole", run: async () => [measure("first"), measure("second")] },
    {
      name: "half",
      async run(found) {
        found(measure("third"));
        throw broken;
      },
    },
    {
      name: "told",
      async run(found) {
        found(measure("fourth"));
        return [];
      },
    },
  ];
  const told: string[] = [];
  const ended: string[] = [];
  const outcome = await runBenches(benches, {
    began: (name) => told.push(`began ${name}`),
    found: ({ name }) => told.push(name),
    ended: (name, rows) => ended.push(`${name} ${rows.length}`),
  });
  const rows = [...outcome.values()].flat();
  expect(rows.map(({ name }) => name)).toEqual(["first", "second", "third", "half", "fourth"]);
  expect(rows.filter(isFailure)).toEqual([{ name: "half", error: broken }]);
  expect(told).toEqual(["began whole", "first", "second", "began half", "third", "began told", "fourth"]);
  expect(ended).toEqual(["whole 2", "half 2", "told 1"]);
});
