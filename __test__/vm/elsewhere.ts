/**
 * Tests whose cases run elsewhere: a file that exports `cases` (see cases.ts) is bundled, started by a command in the VM or in a
 * network namespace, and each case becomes a test here.
 */
import path from "node:path";
import { beforeAll, expect, test } from "vitest";
import { type Finished, withBundle } from "./bundle.ts";
import { type Cases, readResults } from "./cases.ts";

export { type Finished, finish, root } from "./bundle.ts";

/** For bundling, for making a system image the first time, and so that a run that ends itself in time is not cut off by the test runner. */
const MARGIN_SECONDS = 400;

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
      finished = await withBundle(path.basename(file, ".ts"), runsCasesOf(file), start);
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

function runsCasesOf(file: string): string {
  return [
    `import { cases } from "./${file}";`,
    'import { runCases } from "./__test__/vm/cases.ts";',
    "await runCases(cases);",
  ].join("\n");
}
