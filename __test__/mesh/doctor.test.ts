/**
 * `wgmesh doctor`, check by check: the fault is made for real, the check finds it, its remedy is followed, and it is clean again. Only
 * the module of the kernel cannot be taken away here; that is a test of the twin (unit/doctor).
 */
import { rmSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import type { DoctorReport } from "../../src/daemon/doctor/doctor.ts";
import { doctorChecks } from "../../src/doctor/table.ts";
import { end, finds, holdPort, isClean, live, look, proved, still } from "./doctor/look.ts";
import { must } from "./harness/exec.ts";
import { allowanceMs, until } from "./harness/time.ts";
import "./doctor/machine.ts";
import "./doctor/network.ts";

describe("of a daemon that runs", () => {
  beforeAll(async () => {
    await live.startAndWait();
  });

  test("nothing is wrong but what a lab has not", async () => {
    const { stdout, code } = await live.client("doctor", "--json", "--state-dir", live.stateDir);
    const { checks, daemon, interface: iface, severity } = JSON.parse(stdout) as DoctorReport;
    const ill = checks.filter((check) => ["warning", "error"].includes(check.severity));
    // The machine's own time service is told of too, where there is one.
    expect(ill.map(({ id }) => id).filter((id) => id !== "clock")).toEqual(["route"]);
    expect([daemon, iface, severity, code]).toEqual([live.pid, "wg0", "warning", 12]);
    expect(checks.map(({ id }) => id)).toEqual(doctorChecks.map(({ id }) => id));
  });

  test("troubles", async () => {
    const holder = await holdPort(51_830);
    await still.startAndWait();
    const untilItSays = (wanted: RegExp): Promise<unknown> =>
      until(`it says ${wanted}`, allowanceMs(5_000), async () => wanted.test((await look("troubles")).seen));
    await untilItSays(/lan: /);
    expect(await finds("troubles", "warning", /discovery: lan: .*EADDRINUSE/)).toContain("wgmesh status");
    expect(await finds("lan-port", "warning", /held by node/)).toContain("end that program");
    await end(holder);
    // It tries again by itself too, ever more rarely.
    await still.stop();
    await still.startAndWait();
    await untilItSays(/^none$/);
    await isClean("troubles");
    await still.stop();
  });

  test("for a user without rights, what he may not see is unknown and no fault", async () => {
    const within = `exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"`;
    for (const id of ["daemon", "state-directory", "state-file", "node-files", "descriptors"]) {
      expect(await look(id, { within, node: live }), id).toMatchObject({
        severity: expect.stringMatching(/^(unknown|note|ok)$/),
      });
    }
    await finds("rights", "error", /this user lacks CAP_NET_ADMIN/, { within, node: live });
  });

  test("daemon: its socket is gone", async () => {
    await isClean("daemon", { node: live });
    rmSync(live.socketPath);
    const remedy = await finds("daemon", "error", /lives, but its socket .* is gone/, { node: live });
    expect(remedy).toContain(`kill ${live.pid}`);
    must(["kill", String(live.pid)]);
    await live.exit();
    await live.startAndWait();
    await isClean("daemon", { node: live });
  });
});

test("every check was shown a fault of its own", () => {
  expect([...proved].sort()).toEqual(doctorChecks.map(({ id }) => id).sort());
});
