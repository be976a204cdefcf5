/**
 * The addon's netlink functions, judged by `ip`. Runs in a network namespace of its own (see inNamespace.ts).
 */
import type { Cases } from "../../vm/cases.ts";
import { addresses } from "./link/addresses.ts";
import { links } from "./link/links.ts";
import { changes } from "./link/monitor.ts";
import { routes } from "./link/routes.ts";

export const cases: Cases = { ...links, ...addresses, ...routes, ...changes };
