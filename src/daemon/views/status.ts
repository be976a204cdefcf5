import { endpointText } from "../../core/types.ts";
import { isConnected } from "../../peers/connected.ts";
import { ownEndpoint } from "../../peers/localNode.ts";
import type { PeersView } from "../../rpc/views/peers.ts";
import type { StatusView } from "../../rpc/views/status.ts";
import type { ViewParts } from "./viewParts.ts";

export function statusView(view: ViewParts, peers: PeersView): StatusView {
  const { parts, node, discovery, supervisor, startedAtMs } = view;
  return {
    status: () => {
      const { options, system, clock, mesh, signals } = parts;
      const own = node.self.snapshot;
      const all = peers.peers();
      return {
        state: signals.stopSignal.aborted ? "stopping" : "running",
        pid: system.pid,
        version: parts.version,
        uptimeMs: clock.monotonicMs() - startedAtMs,
        interfaceName: options.interfaceName,
        interfaceIndex: node.backend.interfaceIndex,
        backend: node.backend.name,
        meshIp: own.meshIp,
        meshIpv6: own.meshIpv6,
        publicKey: own.publicKey,
        hostname: own.hostname,
        listenPort: own.wireguardPort,
        endpoint: endpointText(ownEndpoint(own)),
        natType: own.natType,
        networkId: mesh.networkId,
        advertisedNetworks: own.networks,
        peers: {
          total: all.length,
          active: all.filter((peer) => peers.isActive(peer)).length,
          connected: all.filter((peer) => peer.state === "connected").length,
        },
        memoryBytes: system.memoryBytes(),
        openFiles: system.openFiles(),
        lastReconcile: node.reconciler.lastReport(),
        failing: node.reconciler.failing(),
        layers: discovery?.layers() ?? [],
        counters: discovery?.counters() ?? {},
        tasks: supervisor.statuses(),
        warnings: warnings(view),
        mtu: node.reconciler.mtu(),
        health: node.health.counts(),
        exitNode: node.routing.exitStatus(),
        clients: clientCounts(view),
        limits: { peers: node.store.maxPeers, memoryBytes: parts.machine.memory.limit },
      };
    },
  };
}

function clientCounts({ parts, node }: ViewParts): { count: number; connected: number } {
  const nowMs = parts.clock.wallMs();
  const clients = node.clients.list();
  const handshakes = clients.map(({ publicKey }) => node.reconciler.actual(publicKey)?.lastHandshakeMs ?? 0);
  return { count: clients.length, connected: handshakes.filter((atMs) => isConnected(atMs, nowMs)).length };
}

/** Sentences for the operator. */
export function warnings({ parts, node }: Pick<ViewParts, "parts" | "node">): string[] {
  const { listenPort } = parts.options;
  const warnings = node.reconciler
    .refusedNetworks()
    .map(
      ({ network, publicKey, reason }) => `network ${network} of peer ${publicKey} is not routed: ${reason}`,
    );
  const bound = node.self.snapshot.wireguardPort;
  if (listenPort !== null && listenPort !== bound) {
    warnings.push(`UDP port ${listenPort} was in use: WireGuard listens on ${bound}`);
  }
  for (const [publicKey, path] of node.paths.entries()) {
    if (path.kind === "impossible") warnings.push(`no path to peer ${publicKey}: ${path.reason}`);
  }
  return [...warnings, ...node.reconciler.warnings(), ...parts.troubles.list().map(({ text }) => text)];
}
