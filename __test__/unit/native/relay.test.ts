import { describe } from "vitest";
import { testInNamespace } from "./inNamespace.ts";
import { cases } from "./relay.cases.ts";

describe("the relay's data plane in network namespaces", () => {
  testInNamespace("__test__/unit/native/relay.cases.ts", cases);
});
