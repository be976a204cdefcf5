/**
 * The firewall mark of all that this node sends below the tunnel (`--fwmark`, row G10): what is needed beside the options of the addon.
 */
import type { OnBound } from "../discovery/nodeUdp.ts";
import { markSockets, routeGet } from "./os.ts";
import type { System } from "./system.ts";

/** Marks a socket of Node.js, which has no option for it, before it sends; does nothing without a mark. */
export function marking(fwmark: number): OnBound | undefined {
  return fwmark === 0 ? undefined : (port) => markSockets(fwmark, port);
}

/**
 * The system as a node with a mark sees it: routes are asked for packets that have it, and the rules of an exit node let past what has
 * it. Sockets that have no mark of their own then get none: it is the operator's, whose rules may lead what has it anywhere, and packets
 * into the tunnel must not go there.
 */
export function systemWithMark(system: System, fwmark: number): System {
  if (fwmark === 0) return system;
  const { exits } = system;
  return {
    ...system,
    pathTo: (host) => routeGet(host, fwmark),
    ...(exits && { exits: { ...exits, tables: { ...exits.tables, mark: fwmark, markSockets: () => {} } } }),
  };
}
