/**
 * Tests whose cases run elsewhere: a file that exports `cases` (see cases.ts) is bundled, started by a command in the VM or in a
 * network namespace, and each case becomes a test here. It is bundled because Node 20 runs no TypeScript.
 */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { beforeAll, expect, test } from "vitest";
import { type Cases, readResults } from "./cases.ts";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** For bundling, and so that a run that ends itself in time is not cut off by the test runner. */
const MARGIN_SECONDS = 60;

export interface Finished {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | null;
}

/**
 * Makes one test of every case of `file` (path from the project's folder). `start` gets the bundled script's path and runs it
 * with node, once, before the first test, in at most `timeoutSeconds`.
 */
export function testElsewhere(
  file: string,
  cases: Cases,
  timeoutSeconds: number,
  start: (script: string) => Promise<Finished>,
): void {
  let finished: Finished;
  let results: ReadonlyMap<string, string | null>;
  beforeAll(
    async () => {
      finished = await bundled(file, start);
      const read = readResults(finished.stdout);
      results = read.results;
      for (const text of read.notes) console.log(`${path.basename(file)}: ${text}`);
    },
    (timeoutSeconds + MARGIN_SECONDS) * 1000,
  );
  test.each(Object.keys(cases))("%s", (name) => {
    const ended = `did not run; the process ended with ${finished.exitCode}:\n${finished.stderr.slice(-4000)}`;
    const result = results.has(name) ? results.get(name) : ended;
    expect(result, `${result}`).toBeNull();
  });
}

/** Below dist/, so that the VM sees the script and imports find the addon. */
async function bundled(file: string, start: (script: string) => Promise<Finished>): Promise<Finished> {
  await mkdir(path.join(root, "dist"), { recursive: true });
  const folder = await mkdtemp(path.join(root, "dist", "cases-"));
  try {
    const outfile = path.join(folder, `${path.basename(file, ".ts")}.mjs`);
    const contents = [
      `import { cases } from "./${file}";`,
      'import { runCases } from "./__test__/vm/cases.ts";',
      "await runCases(cases);",
    ].join("\n");
    await build({
      stdin: { contents, resolveDir: root, loader: "ts" },
      bundle: true,
      platform: "node",
      target: "node20",
      format: "esm",
      sourcemap: "inline",
      external: ["@wgmesh/native"],
      outfile,
    });
    return await start(outfile);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs a command to its end. */
export async function finish(
  command: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Finished> {
  const child = spawn(command, args, { cwd: root, env: environment, stdio: ["ignore", "pipe", "pipe"] });
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
