/**
 * The network around this node.
 */
import type { NetReport } from "../../core/netReport.ts";
import type { MethodRows } from "./method.ts";

export const netMethods = {
  "net.check": {
    role: "readonly",
    call: ({ view }): Promise<NetReport> => view.netCheck(),
  },
} as const satisfies MethodRows;
