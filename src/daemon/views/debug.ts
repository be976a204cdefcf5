import { WgmeshError } from "../../core/errors.ts";
import { redact } from "../../core/redact.ts";
import { failingPeer } from "../../mesh/peerSync.ts";
import type { DebugView } from "../../rpc/views/debug.ts";
import type { PeersView } from "../../rpc/views/peers.ts";
import { takeProfile } from "../profiler.ts";
import type { ViewParts } from "./viewParts.ts";

/** Events and lines of the log have verbs of their own. */
export function debugView(view: ViewParts, peers: PeersView): DebugView {
  const { parts, node, discovery, supervisor, operations } = view;
  const queues = (): Readonly<Record<string, number>> => ({
    ...discovery?.queues(),
    failing: node.reconciler.failing().length,
    operations: operations.list().filter(({ state }) => state === "running").length,
  });
  let profiling = false;
  return {
    queues,
    reconcileNow: async (publicKey) => {
      if (publicKey !== undefined && node.store.get(publicKey) === undefined) {
        throw new WgmeshError("ERR_PEER_UNKNOWN", `peer not found: ${publicKey}`);
      }
      const { durationMs, changes, error } = await node.reconciler.runNow(publicKey);
      const failing = node.reconciler
        .failing()
        .filter(({ object }) => publicKey === undefined || object === failingPeer(publicKey));
      return { durationMs: Math.round(durationMs * 10) / 10, changes, error, failing };
    },
    dumpState: () => {
      const state = {
        version: parts.version,
        node: process.version,
        options: parts.options,
        configuration: view.configuration.shown(),
        self: node.self.snapshot,
        peers: peers
          .peers()
          .map((peer) => ({ ...peer, onInterface: node.reconciler.actual(peer.publicKey) })),
        paths: Object.fromEntries(node.paths.entries()),
        reconciler: {
          report: node.reconciler.lastReport(),
          failing: node.reconciler.failing(),
          refusedNetworks: node.reconciler.refusedNetworks(),
          warnings: node.reconciler.warnings(),
          mtu: node.reconciler.mtu(),
        },
        discovery: { layers: discovery?.layers() ?? [], counters: discovery?.counters() ?? {} },
        queues: queues(),
        troubles: parts.troubles.list(),
        operations: operations.list(),
        tasks: supervisor.statuses(),
        memory: process.memoryUsage(),
      };
      return JSON.parse(redact(JSON.stringify(state))) as Record<string, unknown>;
    },
    profile: async (kind, seconds) => {
      if (profiling) throw new WgmeshError("ERR_NOT_READY", "another profile is being taken");
      profiling = true;
      try {
        return await operations.run(`debug.${kind}-profile`, ({ signal }) =>
          takeProfile(kind, seconds, parts.clock, signal),
        );
      } finally {
        profiling = false;
      }
    },
  };
}
