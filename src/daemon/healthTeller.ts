/**
 * What operators learn of the health of peers: events, log, metrics (rows E4, G5).
 */
import type { Events, EventType } from "../core/events.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type { PublicKey } from "../core/types.ts";
import type { HealthEffect } from "../mesh/health/state.ts";
import type { HealthTable } from "../mesh/health/table.ts";
import { PEER_HEALTH_STATES } from "../peers/healthState.ts";

/** What is worth a line; of those that come again and again only a debugging eye hears. */
const TOLD: Readonly<Partial<Record<HealthEffect, { readonly type: EventType; readonly text: string }>>> = {
  suspect: { type: "peer.suspect", text: "peer does not answer" },
  reconnecting: { type: "peer.reconnecting", text: "other ways to the peer are tried" },
  evict: { type: "peer.evicted", text: "peer evicted" },
  recovered: { type: "peer.recovered", text: "peer is well again" },
};

export function healthTeller(
  events: Events,
  log: Log,
  metrics: Metrics,
  table: HealthTable,
): (effect: HealthEffect, peer: PublicKey, hostname: string) => void {
  const states = { state: PEER_HEALTH_STATES };
  const gauge = metrics.gauge("wgmesh_peer_health", "peers in each state of health", states);
  const evictions = metrics.counter("wgmesh_peer_evictions_total", "peers that were given up as dead");
  const questions = metrics.counter("wgmesh_probes_total", "questions to peers through their tunnels");
  const show = (): void => {
    const counts = table.counts();
    for (const state of PEER_HEALTH_STATES) gauge.set(counts[state], { state });
  };
  show();
  table.subscribe(show);
  return (effect, peer, hostname) => {
    if (effect === "ask") questions.add(1);
    if (effect === "evict") evictions.add(1);
    const told = TOLD[effect];
    if (told === undefined) return;
    events.emit(told.type, { peer, hostname, data: {} });
    if (effect === "evict") log.info({ peer }, told.text);
    else log.debug({ peer }, told.text);
  };
}
