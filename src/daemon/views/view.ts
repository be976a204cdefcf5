/**
 * What the RPC server may ask of the node: its areas, joined. A new area is a file beside this one, and a line here.
 */
import type { DaemonView } from "../../rpc/daemonView.ts";
import { publishProcess } from "../nodeMetrics.ts";
import { clientsView } from "./clients.ts";
import { configView } from "./config.ts";
import { controlView } from "./control.ts";
import { debugView } from "./debug.ts";
import { healthView } from "./health.ts";
import { netView } from "./net.ts";
import { operationsView } from "./operations.ts";
import { peersView } from "./peers.ts";
import { rotationView } from "./rotation.ts";
import { seeingView } from "./seeing.ts";
import { statusView } from "./status.ts";
import type { ViewParts } from "./viewParts.ts";

export function nodeView(parts: ViewParts): DaemonView {
  const peers = peersView(parts);
  const { metrics, clock, machine, system } = parts.parts;
  publishProcess(metrics, {
    uptimeMs: () => clock.monotonicMs() - parts.startedAtMs,
    lateMs: () => machine.lateMs(),
    memoryBytes: () => system.memoryBytes(),
    memoryLimit: () => machine.memory.limit,
    openFiles: () => system.openFiles(),
    connectedPeers: () => peers.peers().filter(({ state }) => state === "connected").length,
  });
  return {
    ...peers,
    ...statusView(parts, peers),
    ...clientsView(parts),
    ...netView(parts),
    ...controlView(parts),
    ...configView(parts),
    ...seeingView(parts),
    ...debugView(parts, peers),
    ...healthView(parts),
    ...operationsView(parts),
    ...rotationView(parts),
  };
}
