/**
 * The mesh tests once more, with the host's build, on a kernel that has WireGuard (row C7). WGMESH_VM_WHOLE=1 adds those that take an
 * emulated machine many minutes each.
 */
import path from "node:path";
import { describe, expect, test } from "vitest";
import { type Finished, finish, root } from "./elsewhere.ts";

const isWhole = process.env.WGMESH_VM_WHOLE !== undefined;
const timeoutSeconds = isWhole ? 3_600 : 1_000;

/** vitest's summary line; it is all that comes out of the VM. Tests that a row leaves out by their titles are counted as skipped. */
const allPassed = /^\s*Tests\s+(\d+) passed (?:\| (\d+) skipped )?\((\d+)\)\s*$/m;

/** Runs the test files of a project that match one of `files`, inside one VM. */
function vitestInVm(project: string, files: readonly string[]): Promise<Finished> {
  const vitest = ["node", "node_modules/vitest/vitest.mjs", "run", "--reporter=verbose"];
  return finish(path.join(root, "scripts/run-in-vm.sh"), [root, ...vitest, "--project", project, ...files], {
    ...process.env,
    WGMESH_TEST_BACKEND: "kernel",
    NO_COLOR: "1",
    VM_ENV: "WGMESH_TEST_BACKEND NO_COLOR",
    VM_EXCLUDE: ".git target bench native/src",
    VM_MEM: "2048",
    VM_TIMEOUT: String(timeoutSeconds),
  });
}

type Row = readonly [what: string, project: "mesh" | "inside-vm", ...files: string[]];

const always: readonly Row[] = [
  ["two nodes form a mesh without the stranger", "mesh", "case1-two-nodes"],
  ["nodes need no Internet", "mesh", "case2-no-internet"],
  ["a killed node comes back", "mesh", "case3-kill"],
  ["SIGTERM at any instant leaves nothing behind", "mesh", "case4-stop"],
  ["a reload costs no packet", "mesh", "case5-reload"],
  ["no process is started", "mesh", "case6-no-processes"],
  ["a member that lies changes nothing", "mesh", "case10-liar"],
  [
    "what others do to the interface is mended, and its MTU follows the paths to the peers",
    "mesh",
    "interface-mending",
    "foreign-change",
    "path-mtu",
  ],
  ["STUN asks from the kernel's own WireGuard port", "mesh", "stun-linux-nat"],
  ["interfaces are adopted or refused, and backends mix", "inside-vm", "kernel"],
  ["a restart leaves the kernel's tunnels as they are", "inside-vm", "restart"],
];

const long: readonly Row[] = [
  ["a mesh moves to a new secret without a lost ping", "mesh", "mesh/rotation.test"],
  ["nodes that fail are suspect, mended and back", "mesh", "mesh/health"],
  [
    "networks change hands, an exit node is the way out, and a firewall in the way is named",
    "mesh",
    "routes-several",
    "routes-exit",
    "routes-firewall",
  ],
  ["after every event of a churn all nodes agree", "mesh", "churn"],
  ["members that turn against others harm nobody", "mesh", "case11-member-attacks"],
  ["a flood of invented members changes nothing", "mesh", "floods"],
  ["who lives at an address keeps it", "mesh", "collision"],
  ["a mesh stands up from caches alone", "mesh", "cache-restart"],
  ["announcements travel by stem and fluff over the tunnels", "mesh", "mesh/privacy"],
];

describe("on a kernel with WireGuard", () => {
  const rows = isWhole ? [...always, ...long] : always;
  test.each(rows)("%s", { timeout: (timeoutSeconds + 200) * 1_000 }, async (_what, project, ...files) => {
    const { exitCode, stdout, stderr } = await vitestInVm(project, files);
    console.log(stdout);
    expect(exitCode, stderr).toBe(0);
    const [, passed, leftOut = "0", all] = allPassed.exec(stdout) ?? [];
    expect(Number(passed)).toBeGreaterThan(0);
    expect(Number(passed) + (files.includes("-t") ? Number(leftOut) : 0)).toBe(Number(all));
  });
});
