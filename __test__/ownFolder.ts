/**
 * Setup of every test file (vitest.config.ts): a folder of its own for temporary files, in which nothing may be left when its tests are
 * done. What a killed run left goes with the next one.
 */
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll } from "vitest";
import { isAlive } from "./mesh/harness/exec.ts";

const place = tmpdir();
for (const name of readdirSync(place)) {
  const pid = /^wgt-(\d+)-\w{6}$/.exec(name)?.[1];
  if (pid !== undefined && !isAlive(Number(pid))) remove(path.join(place, name));
}

// Short, since paths of Unix sockets are at most 107 bytes long.
const folder = mkdtempSync(path.join(place, `wgt-${process.pid}-`));
// As open as /tmp is: some tests let other users in.
chmodSync(folder, 0o1777);
process.env.TMPDIR = folder;
// Whoever only lists tests, or ends them, runs no hook.
process.once("exit", () => remove(folder));

// biome-ignore lint/correctness/noEmptyPattern: vitest reads from it which fixtures are wanted.
afterAll(({}, file) => {
  const left = readdirSync(folder);
  remove(folder);
  // What a suite made for tests that a filter (`-t`) left out, it does not take away: it runs none of its hooks.
  if (left.length > 0 && !file.tasks.some(({ mode }) => mode === "skip"))
    throw new Error(`the tests left temporary files: ${left.join(", ")}`);
});

function remove(what: string): void {
  rmSync(what, { recursive: true, force: true });
}
