/**
 * What this node forwards to for others, and what it sends through others (row E3).
 */
import { WgmeshError } from "../core/errors.ts";
import type { Cidr } from "../core/types.ts";

import { type OptionTable, on, value } from "./optionRow.ts";
import type { ValueParser } from "./shape.ts";
import type { RoutePolicy } from "./values.ts";
import * as values from "./values.ts";

export interface RouteOptions {
  readonly advertiseRoutes: readonly Cidr[];
  readonly acceptRoutes: RoutePolicy;
  /** Name, mesh address or beginning of the public key of the peer that has this node's way to the Internet; null for none. */
  readonly exitNode: string | null;
  /** What goes to the Internet leaves through {@link exitNode} or not at all. */
  readonly exitNodeOnly: boolean;
  readonly advertiseExitNode: boolean;
}

const EXIT_NODE = /^[\x21-\x7e]{1,253}$/;

/** An empty one is none: so `config set` can take it back. */
const exitNode: ValueParser<string | null> = (text, source) => {
  if (text === "") return null;
  if (EXIT_NODE.test(text)) return text;
  throw new WgmeshError("ERR_USAGE", `${source}: ${JSON.stringify(text)} is no peer`, {
    hint: "write its name, its mesh address or the beginning of its public key",
  });
};

export const routeOptions: OptionTable<RouteOptions> = {
  advertiseRoutes: {
    flag: "--advertise-routes",
    group: "Routes",
    help: "networks behind this node that others may reach; commas between",
    default: [],
    live: true,
    form: value("CIDRS", values.advertisedNetworks),
  },
  acceptRoutes: {
    flag: "--accept-routes",
    group: "Routes",
    help: "routes taken from peers: all (but /0, own and overlapping networks), none, or those inside CIDRS",
    default: "all",
    defaultText: "all",
    live: true,
    form: value("all|none|CIDRS", values.routePolicy),
  },
  exitNode: {
    flag: "--exit-node",
    group: "Routes",
    help: "send what goes to the Internet through this peer: its name, mesh address or the beginning of its key",
    example: "gateway",
    default: null,
    live: true,
    form: value("PEER", exitNode),
  },
  exitNodeOnly: {
    flag: "--exit-node-only",
    group: "Routes",
    help: "with --exit-node: what goes to the Internet leaves through that peer or not at all",
    default: false,
    live: true,
    form: on,
  },
  advertiseExitNode: {
    flag: "--advertise-exit-node",
    group: "Routes",
    help: "offer to forward to the Internet for members that ask for it by --exit-node",
    default: false,
    live: true,
    form: on,
  },
};
