/** Puts together what keeps the kernel's forwarding as the advertised networks need it. */
import { join } from "node:path";
import { Forwarding, linksToward } from "../mesh/forwarding.ts";
import { forwardingRecord } from "./forwardingRecord.ts";
import type { NodeParts } from "./parts.ts";

export function forwardingOf({ options, system, log }: NodeParts): Forwarding {
  return new Forwarding({
    interfaceName: options.interfaceName,
    settings: system.networkSettings,
    record: forwardingRecord(join(options.runDir, `${options.interfaceName}.forwarding.json`)),
    log: log.child({ module: "mesh" }),
    linksToward: (networks) => linksToward(networks, system.routes(), options.interfaceName),
  });
}
