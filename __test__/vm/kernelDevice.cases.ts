/**
 * WireGuardDevice against the kernel's WireGuard, judged by `wg` and `ip`. Runs inside the VM (see runInVm.ts and cases.ts).
 */
import { portCases } from "../unit/native/besidePort.ts";
import { relayedCases } from "../unit/native/relayedCases.ts";
import type { Cases } from "./cases.ts";
import { interfaceCases } from "./kernelDevice/interface.ts";
import { peerCases } from "./kernelDevice/peers.ts";

export const cases: Cases = {
  ...interfaceCases,
  ...peerCases,
  ...portCases("kernel"),
  ...relayedCases("kernel"),
};
