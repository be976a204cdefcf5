// npm run simulate: bundles the simulator and runs it; what it does is chosen by variables, see CONTRIBUTING.md.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { build } from "esbuild";

process.chdir(path.resolve(import.meta.dirname, "../.."));
const folder = mkdtempSync(path.join(tmpdir(), "wgmesh-simulate-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
const outfile = path.join(folder, "simulate.mjs");
const entryPoints = ["__test__/simulator/main.ts"];
await build({
  entryPoints,
  outfile,
  bundle: true,
  platform: "node",
  format: "esm",
  external: ["@wgmesh/native"],
});
// A mesh of a thousand has a million records.
const { status } = spawnSync(process.execPath, ["--max-old-space-size=16384", ...process.execArgv, outfile], {
  stdio: "inherit",
});
process.exitCode = status ?? 1;
