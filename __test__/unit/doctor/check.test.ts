import { expect, test } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import {
  type Check,
  examine,
  fault,
  note,
  ok,
  together,
  unknown,
  warning,
  worst,
} from "../../../src/doctor/check.ts";
import { doctorChecks } from "../../../src/doctor/table.ts";
import { patient, twin } from "./twin.ts";

const check = (id: string, judge: Check["judge"]): Check => ({ id, title: id, judge });

test("checks run at once, in the order given, and one that hangs or breaks is unknown", async () => {
  let ended = false;
  let began = 0;
  const meet = async () => {
    began += 1;
    while (began < 2) await new Promise((resolve) => setImmediate(resolve));
    return ok("met");
  };
  const checks = [
    check("hangs", (_patient, _host, signal) => {
      signal.addEventListener("abort", () => {
        ended = true;
      });
      return new Promise(() => {});
    }),
    check("breaks", () => {
      throw new Error("EACCES");
    }),
    check("one", meet),
    check("two", meet),
  ];
  const results = await examine(checks, patient(), twin(), systemClock, 200);
  expect(results).toEqual([
    { id: "hangs", title: "hangs", severity: "unknown", seen: "not found out within 0.2 s", remedy: null },
    { id: "breaks", title: "breaks", severity: "unknown", seen: "EACCES", remedy: null },
    { id: "one", title: "one", severity: "ok", seen: "met", remedy: null },
    { id: "two", title: "two", severity: "ok", seen: "met", remedy: null },
  ]);
  expect(ended).toBe(true);
});

test("the worst counts, and what is unknown is less than a note", () => {
  expect(worst([])).toBe("ok");
  expect(worst([ok(""), unknown("")])).toBe("unknown");
  expect(worst([unknown(""), note(""), ok("")])).toBe("note");
  expect(worst([note(""), warning("", ""), fault("", ""), ok("")])).toBe("error");
});

test("findings of one check are told together, the worst first, each remedy once", () => {
  expect(together([ok("a")], ok("all well"))).toEqual(ok("all well"));
  expect(together([note("n"), ok("a"), fault("f", "mend"), warning("w", "mend")], ok(""))).toEqual({
    severity: "error",
    seen: "f; w; n",
    remedy: "mend",
  });
});

test("ids are stable, and each is of one check", () => {
  expect(doctorChecks.map(({ id }) => id)).toMatchInlineSnapshot(`
    [
      "daemon",
      "troubles",
      "rights",
      "tun",
      "backend",
      "interface",
      "listen-port",
      "control-port",
      "lan-port",
      "configuration",
      "secret",
      "state-directory",
      "state-file",
      "node-files",
      "leftovers",
      "descriptors",
      "clock",
      "route",
      "ipv6",
      "mtu",
      "dns",
      "stun",
      "multicast",
      "firewall",
      "forwarding",
      "overlap",
      "link-manager",
    ]
  `);
  expect(new Set(doctorChecks.map(({ id }) => id)).size).toBe(doctorChecks.length);
});

test("on a machine where all is well there is nothing to do", async () => {
  const results = await examine(doctorChecks, patient(), twin(), systemClock);
  expect(results.filter(({ severity }) => severity === "warning" || severity === "error")).toEqual([]);
});
