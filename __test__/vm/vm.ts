/** Commands inside the VM of scripts/run-in-vm.sh (Debian's kernel, which has WireGuard), with the host's build. */
import { readdir } from "node:fs/promises";
import path from "node:path";
import { type Finished, finish, root } from "./bundle.ts";

export const DEFAULT_TIMEOUT_SECONDS = 540;

/** Debian packages of the kernels that are tested. */
export const KERNELS = {
  /** The stable one, 6.1. */
  default: "linux-image-cloud-amd64",
  "6.12": "linux-image-6.12-cloud-amd64",
} as const;

export type Kernel = keyof typeof KERNELS;

export interface VmOptions {
  /** How long the whole run may take, in seconds. */
  readonly timeoutSeconds?: number;
  /** Packages of node_modules that the VM needs besides the addon. */
  readonly packages?: readonly string[];
  /** `$VM_KERNEL_PKG`, or else the default one, when absent. One that apt cannot fetch is a failure, never a skip. */
  readonly kernel?: Kernel;
  /** MiB; 1,024 when absent. */
  readonly memoryMib?: number;
  /** Variables the command shall see. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Gets each line of the command's standard output as it comes. */
  readonly onLine?: (line: string) => void;
}

/** A command in the project's folder inside a VM. Writes there are lost with the VM. */
export function inVm(command: readonly string[], options: VmOptions = {}): Promise<Finished> {
  return inVmOf("scripts/run-in-vm.sh", command, options);
}

/** The same inside a Debian that was started by systemd. */
export function underSystemd(command: readonly string[], options: VmOptions = {}): Promise<Finished> {
  return inVmOf("scripts/run-under-systemd.sh", command, options);
}

async function inVmOf(script: string, command: readonly string[], options: VmOptions): Promise<Finished> {
  const { packages = [], kernel, environment = {}, memoryMib = 1024 } = options;
  const needed = new Set(["@wgmesh", ...packages]);
  const installed = await readdir(path.join(root, "node_modules"));
  const unneeded = installed.filter((name) => !needed.has(name)).map((name) => `node_modules/${name}`);
  const variables = {
    ...process.env,
    ...environment,
    VM_ENV: Object.keys(environment).join(" "),
    VM_EXCLUDE: [".git", "target", "bench", ...unneeded].join(" "),
    ...(kernel !== undefined && { VM_KERNEL_PKG: KERNELS[kernel] }),
    VM_MEM: String(memoryMib),
    VM_TIMEOUT: String(options.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS),
  };
  return finish(path.join(root, script), [root, ...command], variables, options.onLine);
}
