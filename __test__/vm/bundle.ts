/**
 * A TypeScript file as one script that node runs elsewhere (in the VM, in a network namespace), and commands run to their end.
 * Bundled because Node 20 runs no TypeScript.
 */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The project's folder, also when this file was bundled into another: every suite and bench runs there. */
export const root = import.meta.url.endsWith(".ts")
  ? fileURLToPath(new URL("../..", import.meta.url))
  : process.cwd();

// Found at run time, since it cannot be bundled into the bench itself.
const { build }: typeof import("esbuild") = createRequire(path.join(root, "package.json"))("esbuild");

export interface Finished {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | null;
}

/**
 * Bundles `source` (TypeScript, its imports seen from the project's folder) below dist/, so that the VM sees the script and
 * imports find the addon; calls `use` with its path and removes it.
 */
export async function withBundle<T>(
  name: string,
  source: string,
  use: (script: string) => Promise<T>,
): Promise<T> {
  await mkdir(path.join(root, "dist"), { recursive: true });
  const folder = await mkdtemp(path.join(root, "dist", "cases-"));
  try {
    const outfile = path.join(folder, `${name}.mjs`);
    await build({
      stdin: { contents: source, resolveDir: root, loader: "ts" },
      bundle: true,
      platform: "node",
      target: "node20",
      format: "esm",
      sourcemap: "inline",
      external: ["@wgmesh/native"],
      outfile,
    });
    return await use(outfile);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs a command to its end; `onLine` gets each whole line of its standard output as it comes. */
export async function finish(
  command: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
  onLine?: (line: string) => void,
): Promise<Finished> {
  const child = spawn(command, args, { cwd: root, env: environment, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  if (onLine !== undefined) createInterface(child.stdout).on("line", onLine);
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  return { stdout, stderr, exitCode };
}
