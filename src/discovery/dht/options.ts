import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import type { Metrics } from "../../core/metrics.ts";
import type { Random } from "../../core/random.ts";
import type { Endpoint } from "../../core/types.ts";
import type { LocalNode } from "../../peers/localNode.ts";
import type { PeerStore } from "../../peers/store.ts";
import type { ContactRequest } from "../contactQueue.ts";
import type { Underlay } from "../seams.ts";
import type { NameResolver } from "./bootstrap.ts";
import type { DhtOpener } from "./engine.ts";
import type { DhtNodesStore } from "./nodesFile.ts";

/** What the layer is made of; the composition root puts it together. */
export interface DhtOptions {
  readonly open: DhtOpener;
  /** UDP port of the engine; 0 for any free one. */
  readonly port: number;
  /** The mesh's id of an hour (hours since 1970), 40 hex digits. */
  infoHash(hour: number): string;
  /** Names or addresses. */
  readonly bootstrap: readonly Endpoint[];
  readonly resolve: NameResolver;
  /** Whether the host has a route to one of these IPv4 addresses, or to the Internet when none is given; asks nobody. */
  hasRoute(hosts: readonly string[]): boolean;
  readonly nodes: DhtNodesStore;
}

export interface DhtLayerOptions extends DhtOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly store: PeerStore;
  readonly self: LocalNode;
  readonly underlay: Underlay;
  readonly gossipPort: number;
  contact(request: ContactRequest): void;
  /** Sends a HELLO from WireGuard's port to such a port of somebody else; null where that cannot be. */
  readonly greet: ((to: Endpoint, brief: boolean) => void) | null;
}
