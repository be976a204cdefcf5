// npm run bench [-- NAME…]: every measure, or those named, in one run. Prints one table; when all are run, it is kept with the raw
// samples in bench/RESULTS.md, after each of them. Needs root and the packages of scripts/apt-packages.txt; build first.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

process.chdir(path.resolve(import.meta.dirname, ".."));
const folder = mkdtempSync(path.join(tmpdir(), "wgmesh-bench-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
const outfile = path.join(folder, "bench.mjs");
await build({ entryPoints: ["bench/main.ts"], outfile, bundle: true, platform: "node", format: "esm" });
await import(pathToFileURL(outfile).href);
