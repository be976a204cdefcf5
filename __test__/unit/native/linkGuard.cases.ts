/**
 * A guarded link goes with its process. Runs in a network namespace of its own (see inNamespace.ts).
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import * as native from "@wgmesh/native";
import type { Cases } from "../../vm/cases.ts";

const hasLink = (): boolean => native.linkGet("guarded") !== null;

/** Has a child guard a link, which is there then, and go on with `then` at once. The guard is `guard`, the addon `native`. */
async function guarding(then: string): Promise<ChildProcess> {
  execFileSync("ip", ["link", "add", "guarded", "type", "veth", "peer", "name", "other"]);
  // From the project's folder, where these tests are run.
  const addon = JSON.stringify(path.resolve("native/index.js"));
  const script = `
    const native = require(${addon});
    const guard = native.guardLink(native.linkGet("guarded").index);
    require("node:fs").writeSync(1, guard.pid + "\\n");
    ${then}`;
  const child = spawn(process.execPath, ["-e", script], {
    detached: true,
    stdio: ["pipe", "pipe", "inherit"],
  });
  if (child.stdout !== null) await once(child.stdout, "data");
  return child;
}

async function gone(): Promise<void> {
  const endMs = performance.now() + 5_000;
  while (hasLink()) {
    assert(performance.now() < endMs, "the link is still there");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const becoming = (program: string): string => `
  native.replaceProcess("${program}", ["${program}", "60"], [], [0, 1, 2, guard.fd]);`;

export const cases: Cases = {
  "a guarded link is removed when its process is killed": async () => {
    const child = await guarding("setInterval(() => {}, 1000);");
    assert(hasLink());
    child.kill("SIGKILL");
    await gone();
  },
  "it is kept through execve(2), and removed when the next program is killed": async () => {
    const child = await guarding(becoming("/bin/sleep"));
    while (!readFileSync(`/proc/${child.pid}/cmdline`, "utf8").startsWith("/bin/sleep")) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert(hasLink());
    child.kill("SIGTERM");
    await gone();
  },
  "it is removed when its guard is ended so, before that returns": async () => {
    const child = await guarding(
      `native.endLinkGuard(guard, false); process.exit(native.linkGet("guarded") === null ? 7 : 8);`,
    );
    assert.deepEqual(await once(child, "exit"), [7, null]);
  },
  "it stays when its guard is ended so, and no process is left of it": async () => {
    const child = await guarding(`
      native.endLinkGuard(guard, true);
      process.exit(require("node:fs").existsSync("/proc/" + guard.pid) ? 8 : 7);`);
    assert.deepEqual(await once(child, "exit"), [7, null]);
    assert(hasLink());
    execFileSync("ip", ["link", "delete", "guarded"]);
  },
  "a signal to the whole group ends its process, not the guard": async () => {
    const child = await guarding("process.stdin.resume();");
    assert(hasLink());
    process.kill(-(child.pid ?? 0), "SIGINT");
    await gone();
  },
};
