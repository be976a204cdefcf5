/** Run inside the VM, in this order: wgmesh is installed as a service, tried with every feature, and taken away. */
import type { Cases } from "./cases.ts";
import { clientAfterRestartCases, clientCases } from "./service/clients.ts";
import { featureCases, rotationCases } from "./service/features.ts";
import { installCases } from "./service/install.ts";
import { lifeCases } from "./service/life.ts";
import { optionCases, optionRestartCases } from "./service/options.ts";
import { removalCases } from "./service/removal.ts";

export const cases: Cases = {
  ...installCases,
  ...lifeCases,
  ...optionCases,
  ...clientCases,
  ...optionRestartCases,
  ...clientAfterRestartCases,
  ...rotationCases,
  ...featureCases,
  ...removalCases,
};
