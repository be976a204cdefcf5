import { expect, test } from "vitest";
import { type HealthState, overall } from "../../../src/observe/health.ts";

const check = (state: HealthState) => ({ id: "clock" as const, state, detail: "" });

test.each<[HealthState[], HealthState]>([
  [["ok", "ok"], "ok"],
  [["ok", "unknown"], "ok"],
  [["ok", "warn", "unknown"], "warn"],
  [["warn", "fail", "ok"], "fail"],
  [["unknown"], "unknown"],
  [[], "unknown"],
])("%j together are %s", (states, together) => {
  expect(overall(states.map(check))).toBe(together);
});
