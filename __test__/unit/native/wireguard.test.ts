import { describe } from "vitest";
import { testInNamespace } from "./inNamespace.ts";
import { cases } from "./wireguard.cases.ts";

describe("WireGuardDevice, embedded, in a network namespace", () => {
  testInNamespace("__test__/unit/native/wireguard.cases.ts", cases);
});
