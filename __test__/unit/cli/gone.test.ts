import { writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../rpc/fixtures.ts";
import { wgmesh } from "./run.ts";

/** A node of `wg7` that is gone, whose files are where only its configuration says. */
function goneNode(): { folder: string; flags: string[] } {
  const folder = temporaryFolder();
  const file = path.join(folder, "wgmesh.toml");
  writeFileSync(
    file,
    `[files]\nstate-dir = "${folder}"\nrun-dir = "${folder}"\n[interface]\ninterface = "wg7"\n`,
    { mode: 0o600 },
  );
  return { folder, flags: ["--config", file] };
}

test("the audit of a daemon that is gone is found by its configuration file", async () => {
  const { folder, flags } = goneNode();
  const entry = {
    time: "2026-01-01T00:00:00.000Z",
    actor: { kind: "signal", signal: "SIGTERM" },
    action: "daemon.stop",
    params: {},
    outcome: "ok",
  };
  writeFileSync(path.join(folder, "wg7.audit.jsonl"), `${JSON.stringify(entry)}\n`);
  const { code, out } = await wgmesh(["audit", "--json", ...flags]);
  expect([code, JSON.parse(out)]).toEqual([0, { entries: [entry] }]);
});

test("so is its log", async () => {
  const { folder, flags } = goneNode();
  const line = { level: "info", time: "2026-01-01T00:00:00.000Z", msg: "wgmeshd stopped" };
  writeFileSync(path.join(folder, "wg7.log"), `${JSON.stringify(line)}\n`);
  const { code, out } = await wgmesh(["logs", "--json", ...flags]);
  expect([code, JSON.parse(out)]).toEqual([0, { lines: [line] }]);
});

test("a node that never ran here has no audit, which is not an empty one", async () => {
  const { folder, flags } = goneNode();
  const { code, err } = await wgmesh(["audit", ...flags]);
  expect([code, err]).toEqual([6, expect.stringContaining(path.join(folder, "wg7.audit.jsonl"))]);
});

test("up takes a configuration file, as every option of wgmeshd", async () => {
  const { code, err } = await wgmesh(["up", "--config", "/nowhere/wgmesh.toml"]);
  expect([code, err]).toEqual([2, expect.stringContaining("/nowhere/wgmesh.toml: there is no such file")]);
  expect((await wgmesh(["up", "--pprof"])).err).toContain("--pprof is not in this release");
});
