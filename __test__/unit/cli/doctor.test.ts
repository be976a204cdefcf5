import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { displayWidth } from "../../../src/cli/width.ts";
import type { DoctorReport } from "../../../src/daemon/doctor/doctor.ts";
import { startServer, vectorView } from "../rpc/fixtures.ts";
import { wgmesh } from "./run.ts";

let folder = "";
let place: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "wgmesh-doctor-"));
  place = ["--run-dir", folder, "--state-dir", path.join(folder, "state")];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("ends with 0, 12 or 13 by the worst that it saw", async () => {
  const stateDirectory = ["doctor", "--check", "state-directory", "--check", "leftovers", ...place];
  expect((await wgmesh(stateDirectory)).code).toBe(0);
  mkdirSync(path.join(folder, "state"), { mode: 0o700 });
  writeFileSync(path.join(folder, "state/wg0.import.json"), '{"paths":[]}');
  expect(await wgmesh(stateDirectory)).toMatchObject({
    code: 12,
    err: "",
    out: expect.stringMatching(/warning: leftovers: an import was cut off .*\nremedy: start the node/),
  });
  rmSync(path.join(folder, "state"), { recursive: true });
  writeFileSync(path.join(folder, "state"), "");
  expect(await wgmesh(stateDirectory)).toMatchObject({
    code: 13,
    out: expect.stringContaining("is not a folder"),
  });
});

test("--json is one stable document", async () => {
  const { out } = await wgmesh(["doctor", "--json", "--check", "interface", "--iface", "wgnone7", ...place]);
  expect(JSON.parse(out)).toEqual({
    interface: "wgnone7",
    daemon: null,
    severity: "ok",
    checks: [
      { id: "interface", title: "Interface", severity: "ok", seen: "the name wgnone7 is free", remedy: null },
    ],
  } satisfies DoctorReport);
});

test("a daemon that answers is asked, and what it says counts", async () => {
  const { socketPath } = await startServer(vectorView());
  const args = [
    "doctor",
    "--json",
    "--socket-path",
    socketPath,
    "--check",
    "daemon",
    "--check",
    "backend",
    ...place,
  ];
  const { out } = await wgmesh(args);
  const { daemon, checks } = JSON.parse(out) as DoctorReport;
  expect(daemon).toBe(4711);
  expect(checks.map(({ seen }) => seen)).toEqual([
    "PID 4711 answers",
    expect.stringContaining("embedded moves the packets"),
  ]);
});

test("an unknown check is a mistake, with the names there are", async () => {
  expect(await wgmesh(["doctor", "--check", "luck", ...place])).toMatchObject({
    code: 2,
    err: expect.stringMatching(
      /--check: "luck" is no check\nhint: the checks are daemon, troubles, .*link-manager/,
    ),
  });
});

test("fits the terminal, and what the table cuts is told whole below", async () => {
  writeFileSync(path.join(folder, "state"), "");
  const args = ["doctor", "--check", "state-directory", "--check", "interface", ...place];
  const { out } = await wgmesh(args, 60);
  for (const line of out.split("\n")) {
    // A path has no blank to be broken at.
    if (!line.includes(folder) || line.includes("…")) expect(displayWidth(line)).toBeLessThanOrEqual(60);
  }
  expect(out).toMatch(/state-directory +error +.*…\n/);
  expect(out.replace(/\n {2}/g, " ")).toContain(`error: state-directory: ${folder}/state is not a folder`);
  expect(out).toContain("1 of 2 checks are well, 1 error\n");
});
