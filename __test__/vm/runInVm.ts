/**
 * Runs things inside the VM (scripts/run-in-vm.sh: Debian's kernel, which has WireGuard) with the host's build.
 */
import { readdir } from "node:fs/promises";
import path from "node:path";
import type { Cases } from "./cases.ts";
import { type Finished, finish, root, testElsewhere } from "./elsewhere.ts";

const DEFAULT_TIMEOUT_SECONDS = 540;

export interface VmOptions {
  /** How long the whole run may take, in seconds. */
  readonly timeoutSeconds?: number;
  /** Packages of node_modules that the VM needs besides the addon. */
  readonly packages?: readonly string[];
}

/** One test for every case of `file` (path from the project's folder), all run in one VM. */
export function testInVm(file: string, cases: Cases, options: VmOptions = {}): void {
  const { timeoutSeconds = DEFAULT_TIMEOUT_SECONDS } = options;
  testElsewhere(file, cases, timeoutSeconds, (script) =>
    inVm(["node", "--enable-source-maps", script], { ...options, timeoutSeconds }),
  );
}

/** A command in the project's folder inside a VM. Writes there are lost with the VM. */
export async function inVm(command: readonly string[], options: VmOptions = {}): Promise<Finished> {
  const needed = new Set(["@wgmesh", ...(options.packages ?? [])]);
  const installed = await readdir(path.join(root, "node_modules"));
  const unneeded = installed.filter((name) => !needed.has(name)).map((name) => `node_modules/${name}`);
  const environment = {
    ...process.env,
    VM_EXCLUDE: [".git", "target", "bench", ...unneeded].join(" "),
    VM_TIMEOUT: String(options.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS),
  };
  return finish(path.join(root, "scripts/run-in-vm.sh"), [root, ...command], environment);
}
