/**
 * The methods by name. A new area is a file beside this one, and a line here.
 */
import { clientsMethods } from "./clients.ts";
import { configMethods } from "./config.ts";
import { daemonMethods } from "./daemon.ts";
import { debugMethods } from "./debug.ts";
import { healthMethods } from "./health.ts";
import { netMethods } from "./net.ts";
import { operationsMethods } from "./operations.ts";
import { peersMethods } from "./peers.ts";
import { rotationMethods } from "./rotation.ts";
import { seeingMethods } from "./seeing.ts";

export const methods = {
  ...daemonMethods,
  ...peersMethods,
  ...clientsMethods,
  ...netMethods,
  ...configMethods,
  ...seeingMethods,
  ...debugMethods,
  ...healthMethods,
  ...operationsMethods,
  ...rotationMethods,
} as const;

export type MethodName = keyof typeof methods;

/** Name to answer, for the typed client. */
export type MethodResults = {
  readonly [Name in MethodName]: Awaited<ReturnType<(typeof methods)[Name]["call"]>>;
};
