/**
 * The mesh tests once more, with the host's build, on a kernel that has WireGuard (row C7). WGMESH_VM_WHOLE=1 adds those that take an
 * emulated machine many minutes each.
 */
import path from "node:path";
import { describe, expect, test } from "vitest";
import { type Finished, finish, root } from "./elsewhere.ts";

const isWhole = process.env.WGMESH_VM_WHOLE !== undefined;

/** By the names of the files, as in __test__/mesh or, for what is tried here alone, in __test__/vm/inside. */
type Row = readonly [what: string, ...files: string[]];

const always: readonly Row[] = [
  ["two nodes form a mesh without the stranger", "mesh/case1-two-nodes"],
  ["nodes need no Internet", "mesh/case2-no-internet"],
  ["a killed node comes back", "mesh/case3-kill"],
  ["SIGTERM at any instant leaves nothing behind", "mesh/case4-stop"],
  ["a reload costs no packet", "mesh/case5-reload"],
  ["no process is started", "mesh/case6-no-processes"],
  ["a member that lies changes nothing", "mesh/case10-liar"],
  [
    "what others do to the interface is mended, and its MTU follows the paths to the peers",
    "mesh/interface-mending",
    "mesh/foreign-change",
    "mesh/path-mtu",
  ],
  ["STUN asks from the kernel's own WireGuard port", "mesh/stun-linux-nat"],
  ["interfaces are adopted or refused, and backends mix", "vm/inside/kernel"],
  ["a restart leaves the kernel's tunnels as they are", "vm/inside/restart", "vm/inside/rotation-restart"],
];

const long: readonly Row[] = [
  ["a mesh moves to a new secret without a lost ping", "mesh/rotation"],
  ["nodes that fail are suspect, mended and back", "mesh/health"],
  [
    "networks change hands, an exit node is the way out, and a firewall in the way is named",
    "mesh/routes-several",
    "mesh/routes-exit",
    "mesh/routes-firewall",
  ],
  ["after every event of a churn all nodes agree", "mesh/churn"],
  ["members that turn against others harm nobody", "mesh/case11-member-attacks"],
  ["a flood of invented members changes nothing", "mesh/floods"],
  ["who lives at an address keeps it", "mesh/collision"],
  ["a mesh stands up from caches alone", "mesh/cache-restart"],
  ["announcements travel by stem and fluff over the tunnels", "mesh/privacy"],
  [
    "a device that runs plain WireGuard is served, by the kernel's on both ends",
    "mesh/clients",
    "mesh/client-command",
  ],
  ["all that a node sends has the firewall mark", "mesh/fwmark"],
];

/** Runs the test files of the rows inside one VM, which is started once: starting it takes as long as some of the tests. */
function vitestInVm(rows: readonly Row[], timeoutSeconds: number): Promise<Finished> {
  const vitest = ["node", "node_modules/vitest/vitest.mjs", "run", "--reporter=verbose"];
  const projects = ["--project", "mesh", "--project", "inside-vm"];
  const files = rows.flatMap(([, ...names]) => names.map(pathOf));
  return finish(path.join(root, "scripts/run-in-vm.sh"), [root, ...vitest, ...projects, ...files], {
    ...process.env,
    WGMESH_TEST_BACKEND: "kernel",
    NO_COLOR: "1",
    VM_ENV: "WGMESH_TEST_BACKEND NO_COLOR",
    VM_EXCLUDE: ".git target bench native/src",
    VM_MEM: "2048",
    VM_TIMEOUT: String(timeoutSeconds),
  });
}

const pathOf = (file: string): string => `__test__/${file}.test.ts`;

/** The lines of vitest's verbose reporter about the tests of one file, each with its mark: passed, failed, left out. */
function marksOf(file: string, stdout: string): string[] {
  return [...stdout.matchAll(/^\s*(✓|×|↓) \|[\w-]+\| (\S+) > /gm)]
    .filter(([, , where]) => where === pathOf(file))
    .map(([, mark = ""]) => mark);
}

function testTogether(rows: readonly Row[], timeoutSeconds: number): void {
  let running: Promise<Finished> | null = null;
  test.each(rows)("%s", { timeout: (timeoutSeconds + 200) * 1_000 }, async (_what, ...files) => {
    const isFirst = running === null;
    running ??= vitestInVm(rows, timeoutSeconds);
    const { exitCode, stdout, stderr } = await running;
    if (isFirst) console.log(stdout);
    for (const file of files) {
      const marks = marksOf(file, stdout);
      expect(marks.length, `${file} did not run:\n${stderr}`).toBeGreaterThan(0);
      expect(new Set(marks), `${file}\n${stderr}`).toEqual(new Set(["✓"]));
    }
    // Something else than a test went wrong.
    if (!/^\s*× /m.test(stdout)) expect(exitCode, stderr).toBe(0);
  });
}

describe("on a kernel with WireGuard", () => {
  testTogether(always, 3_000);
  if (isWhole) for (const row of long) testTogether([row], 3_600);
});
