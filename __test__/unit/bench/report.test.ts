import { expect, test } from "vitest";
import type { Measure } from "../../../bench/measure.ts";
import { type Line, report, results } from "../../../bench/report.ts";
import { linesOf } from "../../../bench/results.ts";

const alone: Measure = {
  name: "start",
  what: "launch → up",
  unit: "ms",
  goal: "≤ 250 ms",
  samples: [3, 1, 2],
};
const compared: Measure = {
  name: "read",
  what: "reading",
  unit: "µs",
  goal: "",
  samples: [2, 4, 3],
  against: { what: "wg", samples: [4, 4, 4] },
};
const error = new Error("no mesh came about\nstderr: …");

const lines: Line[] = [
  { bench: "start", row: alone, commit: "c1" },
  { bench: "mesh30", row: { name: "mesh30", error }, commit: "c2" },
  { bench: "read", row: compared, commit: "c1" },
  { bench: "relay", row: null, commit: "" },
];

test("a bench that failed is named in its place with the reason, and one that never ran", () => {
  expect(report(lines, "Median of 3.")).toBe(
    [
      "| What        | median       | lowest to highest | compared with | its median | ratio | goal     | at commit |",
      "|-------------|--------------|-------------------|---------------|------------|-------|----------|-----------|",
      "| launch → up | 2 ms         | 1 to 3            |               |            |       | ≤ 250 ms | c1        |",
      "| mesh30      | failed       |                   |               |            |       |          | c2        |",
      "| reading     | 3.0 µs       | 2.0 to 4.0        | wg            | 4.0 µs     | 0.75  |          | c1        |",
      "| relay       | not measured |                   |               |            |       |          |           |",
      "",
      "Median of 3.",
      "",
      "`mesh30` failed: no mesh came about",
    ].join("\n"),
  );
});

test("the samples are kept as they were taken", () => {
  const text = results(lines.slice(0, 3), "Median of 3.");
  expect(text.split("## Raw samples\n")[1]).toBe(
    "\n```\nstart (ms): 3.00 1.00 2.00\nread (µs): 2.00 4.00 3.00\nread, wg (µs): 4.00 4.00 4.00\n```\n",
  );
  expect(text).not.toContain("not measured");
});

test("what was measured before stands beside what is measured anew, in the order of the benches", () => {
  const kept = { read: { commit: "c1", rows: [compared] }, start: { commit: "c2", rows: [alone] } };
  expect(linesOf(["start", "relay", "read"], kept)).toEqual([
    { bench: "start", row: alone, commit: "c2" },
    { bench: "relay", row: null, commit: "" },
    { bench: "read", row: compared, commit: "c1" },
  ]);
});
