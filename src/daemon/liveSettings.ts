/**
 * What can change while a node runs: for every option marked live, what makes its new value true.
 */
import type { DaemonOptions } from "../config/options.ts";
import type { LogLevels } from "../core/log.ts";
import type { Discovery } from "../discovery/seams.ts";
import type { Reconciler } from "../mesh/reconciler.ts";
import type { LocalNode } from "../peers/localNode.ts";
import type { HostRouting } from "./hostRouting.ts";
import type { LiveAppliers } from "./liveConfiguration.ts";

export interface LiveTargets {
  readonly self: Pick<LocalNode, "update">;
  readonly reconciler: Pick<Reconciler, "setRoutePolicy" | "setKeepalive" | "request">;
  readonly routing: Pick<HostRouting, "setExitNode">;
  readonly discovery: Pick<Discovery, "setStaticPeers"> | null;
  readonly setLogLevel: (levels: LogLevels) => void;
  readonly setLogLimits: (limits: Pick<DaemonOptions, "logMaxSize" | "logKeep">) => void;
}

export function liveAppliers({
  self,
  reconciler,
  routing,
  discovery,
  setLogLevel,
  setLogLimits,
}: LiveTargets): LiveAppliers {
  return new Map<string, (options: DaemonOptions) => void>([
    ["log-level", ({ logLevel }) => setLogLevel(logLevel)],
    ["log-max-size", setLogLimits],
    ["log-keep", setLogLimits],
    ["advertise-routes", ({ advertiseRoutes }) => self.update({ networks: advertiseRoutes })],
    ["accept-routes", ({ acceptRoutes }) => reconciler.setRoutePolicy(acceptRoutes)],
    [
      "exit-node",
      ({ exitNode }) => {
        routing.setExitNode(exitNode);
        reconciler.request();
      },
    ],
    ["advertise-exit-node", ({ advertiseExitNode }) => self.update({ exitNode: advertiseExitNode })],
    ["keepalive", ({ keepaliveSeconds }) => reconciler.setKeepalive(keepaliveSeconds)],
    ["peer", ({ peers }) => discovery?.setStaticPeers(peers)],
  ]);
}
