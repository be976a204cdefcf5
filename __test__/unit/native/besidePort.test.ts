import { describe } from "vitest";
import { cases as embedded } from "./besideEmbedded.cases.ts";
import { cases as wireguardGo } from "./besideWireguardGo.cases.ts";
import { testInNamespace } from "./inNamespace.ts";

describe("WireGuard's port beside WireGuard, embedded", () => {
  testInNamespace("__test__/unit/native/besideEmbedded.cases.ts", embedded, { ownRun: true });
});

describe("WireGuard's port beside WireGuard, wireguard-go and raw sockets", () => {
  testInNamespace("__test__/unit/native/besideWireguardGo.cases.ts", wireguardGo, { ownRun: true });
});
