import { expect, test } from "vitest";
import { auditEntryOf } from "../../../src/daemon/auditTrail.ts";
import type { Params } from "../../../src/rpc/protocol.ts";

const noted = (method: string, params: Params): unknown =>
  auditEntryOf({
    caller: { kind: "token", name: "ann", role: "admin" },
    method,
    params,
    outcome: "ERR_CONFIG",
  }).params;

test("of settings that cannot be set the audit keeps the name alone", () => {
  const settings = {
    mtu: 1300,
    peer: ["a.example"],
    secrt: "hunter2",
    secret: "hunter2",
    "secret-file": "hunter2",
  };
  expect(noted("config.set", { settings, keep: true })).toEqual({
    settings: {
      mtu: 1300,
      peer: ["a.example"],
      secrt: "[not kept]",
      secret: "[not kept]",
      "secret-file": "[not kept]",
    },
    keep: true,
  });
  expect(noted("config.set", { settings: "hunter2" })).toEqual({ settings: "[not kept]" });
  expect(noted("config.unset", { keys: ["mtu"] })).toEqual({ keys: ["mtu"] });
});
