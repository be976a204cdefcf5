import { describe } from "vitest";
import { cases } from "./embeddedPlane.cases.ts";
import { testInNamespace } from "./inNamespace.ts";

describe("the data plane of embedded WireGuard", () => {
  testInNamespace("__test__/unit/native/embeddedPlane.cases.ts", cases);
});
