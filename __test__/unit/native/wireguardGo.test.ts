import { describe } from "vitest";
import { testInNamespace } from "./inNamespace.ts";
import { cases } from "./wireguardGo.cases.ts";
import { cases as cycleCases, timeoutSeconds } from "./wireguardGoCycles.cases.ts";

describe("WireGuardDevice, wireguard-go, in a network namespace", () => {
  testInNamespace("__test__/unit/native/wireguardGo.cases.ts", cases, { ownRun: true });
});

describe("WireGuardDevice, wireguard-go, again and again", () => {
  const place = { ownRun: true, timeoutSeconds };
  testInNamespace("__test__/unit/native/wireguardGoCycles.cases.ts", cycleCases, place);
});
