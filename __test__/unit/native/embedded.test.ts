import { describe } from "vitest";
import { cases } from "./embedded.cases.ts";
import { testInNamespace } from "./inNamespace.ts";

describe("embedded WireGuard between two network namespaces", () => {
  testInNamespace("__test__/unit/native/embedded.cases.ts", cases);
});
