/**
 * Test cases that run inside the VM (see vm.ts).
 */
import type { Cases } from "./cases.ts";
import { testElsewhere } from "./elsewhere.ts";
import { DEFAULT_TIMEOUT_SECONDS, inVm, type VmOptions } from "./vm.ts";

export { inVm, type VmOptions } from "./vm.ts";

/** One test for every case of `file` (path from the project's folder), all run in one VM. */
export function testInVm(file: string, cases: Cases, options: VmOptions = {}): void {
  const { timeoutSeconds = DEFAULT_TIMEOUT_SECONDS } = options;
  testElsewhere(file, cases, timeoutSeconds, (script) =>
    inVm(["node", "--enable-source-maps", script], { ...options, timeoutSeconds }),
  );
}
