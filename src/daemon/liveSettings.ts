/**
 * What can change while a node runs: for every option marked live, what makes its new value true.
 */
import type { DaemonOptions } from "../config/options.ts";
import type { LogLevels } from "../core/log.ts";
import type { Discovery } from "../discovery/seams.ts";
import type { Reconciler } from "../mesh/reconciler.ts";
import type { LocalNode } from "../peers/localNode.ts";
import type { PeerStore } from "../peers/store.ts";
import type { OwnNetworks } from "./clients.ts";
import type { HostRouting } from "./hostRouting.ts";
import type { LiveAppliers } from "./liveConfiguration.ts";

export interface LiveTargets {
  readonly self: Pick<LocalNode, "update">;
  readonly networks: Pick<OwnNetworks, "setRoutes">;
  readonly reconciler: Pick<Reconciler, "setRoutePolicy" | "set" | "request">;
  readonly routing: Pick<HostRouting, "setExitNode">;
  readonly discovery: Pick<Discovery, "setStaticPeers" | "tune"> | null;
  readonly store: Pick<PeerStore, "setMaxPeers">;
  readonly setMemoryLimit: (bytes: number | null) => void;
  readonly setLogLevel: (levels: LogLevels) => void;
  readonly setLogLimits: (limits: Pick<DaemonOptions, "logMaxSize" | "logKeep">) => void;
}

export function liveAppliers({
  self,
  networks,
  reconciler,
  routing,
  discovery,
  store,
  setMemoryLimit,
  setLogLevel,
  setLogLimits,
}: LiveTargets): LiveAppliers {
  const setExit = ({ exitNode, exitNodeOnly }: DaemonOptions): void => {
    routing.setExitNode(exitNode, exitNodeOnly);
    reconciler.request();
  };
  return new Map<string, (options: DaemonOptions) => void>([
    ["log-level", ({ logLevel }) => setLogLevel(logLevel)],
    ["log-max-size", setLogLimits],
    ["log-keep", setLogLimits],
    ["advertise-routes", ({ advertiseRoutes }) => networks.setRoutes(advertiseRoutes)],
    ["accept-routes", ({ acceptRoutes }) => reconciler.setRoutePolicy(acceptRoutes)],
    ["exit-node", setExit],
    ["exit-node-only", setExit],
    ["advertise-exit-node", ({ advertiseExitNode }) => self.update({ exitNode: advertiseExitNode })],
    ["keepalive", ({ keepaliveSeconds }) => reconciler.set({ keepaliveSeconds })],
    ["reconcile-interval", ({ reconcileSeconds }) => reconciler.set({ sweepMs: reconcileSeconds * 1000 })],
    ["peer", ({ peers }) => discovery?.setStaticPeers(peers)],
    ["introducer", ({ introducer }) => self.update({ introducer })],
    ["gossip", ({ gossip }) => discovery?.tune({ gossip })],
    ["advertise-endpoint", ({ advertiseEndpoint: advertised }) => discovery?.tune({ advertised })],
    ["max-peers", ({ maxPeers }) => store.setMaxPeers(maxPeers)],
    ["memory-limit", ({ memoryLimit }) => setMemoryLimit(memoryLimit)],
    ["relay-limit", ({ relayLimit }) => discovery?.tune({ relayLimitBytesPerSecond: relayLimit })],
  ]);
}
