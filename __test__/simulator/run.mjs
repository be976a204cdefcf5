// npm run simulate: bundles the simulator and runs it; what it does is chosen by variables, see CONTRIBUTING.md.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
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
const args = ["--max-old-space-size=16384", ...process.execArgv, outfile];
const child = spawn(process.execPath, args, { stdio: "inherit" });
// A terminal tells both of Ctrl-C; whoever ends this process alone means that one too. The folder goes last.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.once("exit", (status, signal) => {
  process.exitCode = status ?? 128 + constants.signals[signal];
});
