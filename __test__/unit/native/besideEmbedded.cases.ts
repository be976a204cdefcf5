/** Runs in a network namespace with a /run of its own. */
import { portCases } from "./besidePort.ts";

export const cases = portCases("embedded");
