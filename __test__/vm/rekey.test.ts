/** The pairs of __test__/wireguard/rekey.test.ts that need a kernel with WireGuard. */
import path from "node:path";
import { expect, test } from "vitest";
import { finish, root } from "./elsewhere.ts";

const minutes = Number(process.env.WGMESH_REKEY_MINUTES ?? 0);
/** Starting the VM and vitest in it, and all that is slow there. */
const MARGIN_SECONDS = 400;
const limitSeconds = minutes * 60 + MARGIN_SECONDS;

test("no ping is lost across new sessions with the kernel's WireGuard", {
  timeout: (limitSeconds + 60) * 1000,
}, async () => {
  const vitest = ["node", "node_modules/vitest/vitest.mjs", "run", "--reporter=verbose"];
  // Of two tests at once that need a module which is not loaded yet, one may be told that there is no such thing.
  const prepared = ["sh", "-c", 'modprobe -a veth wireguard tun && exec "$@"', "sh"];
  const command = [root, ...prepared, ...vitest, "--project", "wireguard", "rekey"];
  const { exitCode, stdout, stderr } = await finish(path.join(root, "scripts/run-in-vm.sh"), command, {
    ...process.env,
    NO_COLOR: "1",
    VM_ENV: "WGMESH_REKEY_MINUTES NO_COLOR",
    VM_EXCLUDE: ".git target bench native/src",
    VM_MEM: "2048",
    VM_TIMEOUT: String(limitSeconds),
  });
  console.log(stdout);
  expect(exitCode, stdout + stderr).toBe(0);
  expect(stdout).toMatch(/^\s*Tests\s+(\d+) passed \(\1\)\s*$/m);
});
