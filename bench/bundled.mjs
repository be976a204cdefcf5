// Bundles a program of bench/ and runs it in this process, in the project's folder.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

export async function runBundled(entry) {
  process.chdir(path.resolve(import.meta.dirname, ".."));
  const folder = mkdtempSync(path.join(tmpdir(), "wgmesh-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const outfile = path.join(folder, "bench.mjs");
  // A signal runs no handler; once the program runs it needs no file.
  const remove = `removeBundle(${JSON.stringify(folder)}, { recursive: true });`;
  const js = `import { rmSync as removeBundle } from "node:fs"; ${remove}`;
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    banner: { js },
  });
  await import(pathToFileURL(outfile).href);
}
