import { expect, test } from "vitest";
import type { Measure } from "../../../bench/measure.ts";
import { report, results } from "../../../bench/report.ts";

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

test("a bench that failed is named in its place with the reason, one that has not ended at the end", () => {
  const outcome = { rows: [alone, { name: "mesh30", error }, compared], missing: ["relay"] };
  expect(report(outcome, "Median of 3.")).toBe(
    [
      "| What        | median       | lowest to highest | compared with | its median | ratio | goal     |",
      "|-------------|--------------|-------------------|---------------|------------|-------|----------|",
      "| launch → up | 2 ms         | 1 to 3            |               |            |       | ≤ 250 ms |",
      "| mesh30      | failed       |                   |               |            |       |          |",
      "| reading     | 3.0 µs       | 2.0 to 4.0        | wg            | 4.0 µs     | 0.75  |          |",
      "| relay       | not measured |                   |               |            |       |          |",
      "",
      "Median of 3.",
      "",
      "`mesh30` failed: no mesh came about",
    ].join("\n"),
  );
});

test("the samples are kept as they were taken", () => {
  const text = results({ rows: [alone, { name: "mesh30", error }, compared], missing: [] }, "Median of 3.");
  expect(text.split("## Raw samples\n")[1]).toBe(
    "\n```\nstart (ms): 3.00 1.00 2.00\nread (µs): 2.00 4.00 3.00\nread, wg (µs): 4.00 4.00 4.00\n```\n",
  );
  expect(text).not.toContain("not measured");
});
