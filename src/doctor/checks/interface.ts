import { errorTable } from "../../core/errors.ts";
import { type Check, fault, note, ok } from "../check.ts";

/** Who has the name of the interface. */
export const interfaceCheck: Check = {
  id: "interface",
  title: "Interface",
  judge({ options: { interfaceName }, running, pid }, host) {
    const link = host.links().find(({ name }) => name === interfaceName);
    if (running !== null) {
      const again = "look at the log: the daemon makes it again by itself, or says why not";
      if (link === undefined) return fault(`${interfaceName} is not there, though its daemon runs`, again);
      return link.up ? ok(`${interfaceName} is up`) : fault(`${interfaceName} is down`, again);
    }
    if (link === undefined || pid !== null) return ok(`the name ${interfaceName} is free`);
    if (link.kind === "wireguard") {
      return note(
        `${interfaceName} is a WireGuard link that no daemon holds`,
        "the next start takes it over",
      );
    }
    const kind = link.kind === "" ? "hardware" : `a link of kind ${link.kind}`;
    return fault(`${interfaceName} is ${kind}, not WireGuard`, errorTable.ERR_NOT_WIREGUARD.hint);
  },
};
