/**
 * The kernel backend at scale, in the VM, on both kernels. `npm test` runs a short form; `npm run test:scale` the whole.
 */
import { describe } from "vitest";
import { testInVm } from "./runInVm.ts";
import { casesOf, type Extent } from "./scale/scale.cases.ts";
import type { Kernel } from "./vm.ts";

const whole: Extent = {
  sizes: [1, 21, 100, 1_000, 5_000],
  pingedPeers: 1_000,
  reconciledPeers: 1_000,
  cycles: 500,
};

const short: Record<Kernel, Extent> = {
  default: { sizes: [1, 21, 100, 1_000], pingedPeers: 100, reconciledPeers: 1_000, cycles: 60 },
  "6.12": { sizes: [1, 21, 100], pingedPeers: 100, reconciledPeers: 100, cycles: 20 },
};

const isWhole = process.env.WGMESH_SCALE_WHOLE !== undefined;

describe.each(["default", "6.12"] as const)("the kernel backend at scale, kernel %s", (kernel) => {
  const extent = isWhole ? whole : short[kernel];
  testInVm("__test__/vm/scale/scale.cases.ts", casesOf(extent), {
    kernel,
    environment: { WGMESH_SCALE: JSON.stringify(extent) },
    // A minute or two, and a quarter of an hour; emulation on a busy machine takes ten times as long.
    timeoutSeconds: isWhole ? 9_000 : 1_200,
    memoryMib: 2_048,
  });
});
