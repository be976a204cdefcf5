/** Metrics of the node as a whole; layers make their own. Names of PROTOCOL.md section 16. */
import type { Counter, Metrics } from "../core/metrics.ts";
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
  const natType = metrics.gauge("wgmesh_nat_type", "1 for the type of NAT this node is behind", {
    type: NAT_TYPES,
  });
  const show = (current: string): void => {
    for (const type of NAT_TYPES) natType.set(type === (current || "unknown") ? 1 : 0, { type });
  };
  show(self.snapshot.natType);
  self.subscribe((snapshot) => show(snapshot.natType));
}
