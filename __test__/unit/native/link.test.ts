import { describe } from "vitest";
import { testInNamespace } from "./inNamespace.ts";
import { cases } from "./link.cases.ts";

describe("links, addresses and routes of a network namespace", () => {
  testInNamespace("__test__/unit/native/link.cases.ts", cases);
});
