/**
 * Runs a file of cases inside the VM (scripts/run-in-vm.sh: Debian's kernel, which has WireGuard) and brings the results back.
 *
 * The file exports `cases` (see vmCases.ts). The host imports it for the names, so each case is a test of its own; the VM gets
 * it bundled, since Node 20 runs no TypeScript. The addon is the host's build.
 */
import { spawn } from "node:child_process";
import { mkdir, readdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { beforeAll, expect, test } from "vitest";
import type { VmCases, VmLine } from "./vmCases.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

export interface VmOptions {
  /** How long the whole run may take, in seconds. */
  readonly timeoutSeconds?: number;
  /** Packages of node_modules that the VM needs besides the addon. */
  readonly packages?: readonly string[];
}

export interface VmRun {
  /** Case name to its error, or null. A name that is missing did not run. */
  readonly results: ReadonlyMap<string, string | null>;
  readonly notes: readonly string[];
  readonly exitCode: number | null;
  readonly stderr: string;
}

/** Makes one test of every case; the VM starts once, before the first. `file` is relative to this folder. */
export function testInVm(file: string, cases: VmCases, options: VmOptions = {}): void {
  let run: VmRun;
  beforeAll(async () => {
    run = await runInVm(file, options);
    for (const text of run.notes) console.log(`${file}: ${text}`);
  });
  test.each(Object.keys(cases))("%s", (name) => {
    const result = run.results.has(name)
      ? run.results.get(name)
      : `did not run; the VM ended with ${run.exitCode}:\n${run.stderr.slice(-4000)}`;
    expect(result, `${result}`).toBeNull();
  });
}

export async function runInVm(file: string, options: VmOptions = {}): Promise<VmRun> {
  const script = await bundle(file);
  const { stdout, stderr, exitCode } = await inVm(["node", "--enable-source-maps", script], options);
  const lines = stdout.split("\n").flatMap(parseLine);
  const results = new Map<string, string | null>();
  for (const line of lines) {
    if (line.kind === "case") results.set(line.name, line.ok ? null : (line.error ?? "failed"));
  }
  const notes = lines.flatMap((line) => (line.kind === "note" ? [line.text] : []));
  return { results, notes, exitCode, stderr };
}

/** One JavaScript file below dist/, which the VM sees at the same path; returns its absolute path. */
async function bundle(file: string): Promise<string> {
  const name = path.basename(file, ".ts");
  const outfile = path.join(root, "dist", "vm", `${name}.mjs`);
  await mkdir(path.dirname(outfile), { recursive: true });
  const contents = `import { cases } from "./${file}";\nimport { runCases } from "./vmCases.ts";\nawait runCases(cases);\n`;
  await build({
    stdin: { contents, resolveDir: path.join(root, "__test__", "vm"), loader: "ts" },
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    sourcemap: "inline",
    external: ["@wgmesh/native"],
    outfile,
  });
  return outfile;
}

/** A command in the project's folder inside the VM. */
export async function inVm(
  command: readonly string[],
  options: VmOptions = {},
): Promise<{ stdout: string; stderr: string; exitCode: number | null }> {
  const needed = new Set(["@wgmesh", ...(options.packages ?? [])]);
  const installed = await readdir(path.join(root, "node_modules"));
  const unneeded = installed.filter((name) => !needed.has(name)).map((name) => `node_modules/${name}`);
  const environment = {
    ...process.env,
    VM_EXCLUDE: [".git", "target", "bench", ...unneeded].join(" "),
    VM_TIMEOUT: String(options.timeoutSeconds ?? 540),
  };
  const child = spawn(path.join(root, "scripts/run-in-vm.sh"), [root, ...command], {
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  return { stdout, stderr, exitCode };
}

function parseLine(text: string): VmLine[] {
  try {
    const line: VmLine = JSON.parse(text);
    return line.kind === "case" || line.kind === "note" ? [line] : [];
  } catch {
    return [];
  }
}
