/** Run inside the VM, in this order: wgmesh is installed as a service, tried with every feature, and taken away. */
import type { Cases } from "./cases.ts";
import { featureCases, rotationCases } from "./service/features.ts";
import { installCases } from "./service/install.ts";
import { lifeCases } from "./service/life.ts";
import { removalCases } from "./service/removal.ts";

export const cases: Cases = {
  ...installCases,
  ...lifeCases,
  ...rotationCases,
  ...featureCases,
  ...removalCases,
};
