import { describe } from "vitest";
import { testInNamespace } from "./inNamespace.ts";
import { cases } from "./linkGuard.cases.ts";

describe("a link whose process may die between two programs", () => {
  testInNamespace("__test__/unit/native/linkGuard.cases.ts", cases);
});
