/** Metrics of the node as a whole; layers make their own. Names of PROTOCOL.md section 16. */
import type { Counter, Metrics } from "../core/metrics.ts";
import { HEALTH_CHECK_IDS, type Health, type HealthState } from "../observe/health.ts";
import type { LocalNode } from "../peers/localNode.ts";
import { DISCOVERY_METHODS, type DiscoveryMethod } from "../peers/peer.ts";
import type { PeerStore } from "../peers/store.ts";

const layers = { layer: DISCOVERY_METHODS };
const NAT_TYPES = ["cone", "symmetric", "unknown"] as const;

/** Counts what each way of discovery tells; for the peer store. */
export function sightingCounter(metrics: Metrics): (method: DiscoveryMethod) => void {
  const counter: Counter<typeof layers> = metrics.counter(
    "wgmesh_discovery_events_total",
    "sightings of peers by the way they were learned",
    layers,
  );
  return (layer) => counter.add(1, { layer });
}

/** From a cycle with nothing to do to one that sets a thousand peers. */
const CYCLE_BOUNDS_SECONDS = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5];

/** Measures the reconciler's cycles, in milliseconds each. */
export function cycleMeter(metrics: Metrics): (durationMs: number) => void {
  const histogram = metrics.histogram(
    "wgmesh_reconcile_duration_seconds",
    "how long bringing the interface up to date took",
    CYCLE_BOUNDS_SECONDS,
  );
  return (durationMs) => histogram.observe(durationMs / 1000);
}

/** Publishes what can be read off the node at any time. */
export function publishNode(metrics: Metrics, store: PeerStore, self: LocalNode): void {
  metrics.reading(
    "wgmesh_active_peers",
    "peers seen, or with a handshake, in the last 5 minutes",
    () => store.list().filter((peer) => store.isActive(peer)).length,
  );
  metrics.reading("wgmesh_known_peers", "peers in the store", () => store.size);
  metrics.reading("wgmesh_peer_limit", "peers the store takes at most", () => store.maxPeers);
  const natType = metrics.gauge("wgmesh_nat_type", "1 for the type of NAT this node is behind", {
    type: NAT_TYPES,
  });
  const show = (current: string): void => {
    for (const type of NAT_TYPES) natType.set(type === (current || "unknown") ? 1 : 0, { type });
  };
  show(self.snapshot.natType);
  self.subscribe((snapshot) => show(snapshot.natType));
}

const HEALTH_VALUES: Readonly<Record<HealthState, number>> = { ok: 0, unknown: 0, warn: 1, fail: 2 };

/** As numbers, since alerts compare: 0 well or unknown, 1 somebody should look, 2 it does not work. */
export function publishHealth(metrics: Metrics, { checks }: Health): void {
  const gauge = metrics.gauge("wgmesh_health", "0 well, 1 somebody should look, 2 it does not work", {
    check: HEALTH_CHECK_IDS,
  });
  for (const { id, state } of checks) gauge.set(HEALTH_VALUES[state], { check: id });
}

/** What the process is and uses. */
export function publishProcess(
  metrics: Metrics,
  read: {
    readonly uptimeMs: () => number;
    readonly lateMs: () => number;
    readonly memoryBytes: () => number;
    readonly memoryLimit: () => number | null;
    readonly openFiles: () => number;
    readonly connectedPeers: () => number;
  },
): void {
  metrics.reading("wgmesh_uptime_seconds", "since the daemon started", () => read.uptimeMs() / 1000);
  metrics.reading(
    "wgmesh_event_loop_late_seconds",
    "how late the event loop was at most, in the last minute",
    () => read.lateMs() / 1000,
  );
  metrics.reading("wgmesh_memory_bytes", "resident memory of the daemon", read.memoryBytes);
  metrics.reading(
    "wgmesh_memory_limit_bytes",
    "memory the daemon should stay below, 0 for no bound",
    () => read.memoryLimit() ?? 0,
  );
  metrics.reading("wgmesh_open_files", "descriptors the daemon has open", read.openFiles);
  metrics.reading(
    "wgmesh_connected_peers",
    "peers with a handshake in the last 180 seconds",
    read.connectedPeers,
  );
}
