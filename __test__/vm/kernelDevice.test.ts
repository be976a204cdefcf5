import { describe } from "vitest";
import { cases } from "./kernelDevice.cases.ts";
import { testInVm } from "./runInVm.ts";

describe("the kernel's WireGuard, real, in the VM", () => {
  testInVm("__test__/vm/kernelDevice.cases.ts", cases);
});
