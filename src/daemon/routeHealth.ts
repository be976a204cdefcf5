/**
 * Watches for the sake of routes: which peers the networks that several advertise are left to, and whether what this node forwards
 * gets through (row E3).
 *
 * What counts is the health of a peer (row E4), told at once. The watch of holders sees sooner that something sent there is not
 * answered: then the network moves, and the peer's health is looked at, too.
 */
import type { PublicKey } from "../core/types.ts";
import type { HealthTable } from "../mesh/health/table.ts";
import { HolderWatch } from "../mesh/holderWatch.ts";
import type { Reconciler } from "../mesh/reconciler.ts";
import { Usability } from "../mesh/usability.ts";
import type { LocalNode } from "../peers/localNode.ts";
import type { PathTable } from "../peers/paths.ts";
import type { PeerStore } from "../peers/store.ts";
import type { Backend } from "../wireguard/backend.ts";
import { FirewallWatch } from "./firewallWatch.ts";
import type { NodeParts } from "./parts.ts";
import type { Supervisor } from "./supervisor.ts";
import type { SilenceListener } from "./watches.ts";

export interface RoutedNode {
  readonly backend: Pick<Backend, "read">;
  readonly reconciler: Pick<Reconciler, "replaceable" | "request" | "onRead">;
  readonly paths: Pick<PathTable, "onReport">;
  readonly store: Pick<PeerStore, "subscribe">;
  readonly self: LocalNode;
}

type Parts = Pick<NodeParts, "clock" | "log" | "system" | "options" | "troubles">;

export class RouteHealth {
  readonly #usability = new Usability();
  readonly #parts: Parts;
  readonly #health: HealthTable;

  constructor(parts: Parts, health: HealthTable) {
    this.#parts = parts;
    this.#health = health;
  }

  readonly isUsable = (publicKey: PublicKey): boolean =>
    !this.#health.isTroubled(publicKey) &&
    this.#usability.isUsable(publicKey, this.#parts.clock.monotonicMs());

  start(
    { backend, reconciler, paths, store, self }: RoutedNode,
    supervisor: Pick<Supervisor, "start">,
    { ask, silent }: Pick<SilenceListener, "ask" | "silent">,
  ): void {
    const { clock, log, system, options, troubles } = this.#parts;
    const usability = this.#usability;
    const failed = (publicKey: PublicKey): void => {
      if (!usability.failed(publicKey)) return;
      if (reconciler.replaceable().has(publicKey))
        log.info({ peer: publicKey }, "networks go to another peer");
      reconciler.request();
    };
    const heard = (publicKey: PublicKey): void => usability.heard(publicKey, clock.monotonicMs());
    this.#health.subscribe((publicKey, state, before) => {
      // It may be the exit node, which is left by then and taken again.
      if (state === "reconnecting" || before === "reconnecting") reconciler.request();
      if (this.#health.isTroubled(publicKey)) failed(publicKey);
      else if (state === "healthy") heard(publicKey);
    });
    paths.onReport((report) => {
      if (report.kind === "silent") failed(report.publicKey);
      if (report.kind === "heard") heard(report.publicKey);
    });
    store.subscribe((event) => {
      if (event.type === "removed") usability.forget(event.peer.publicKey);
    });
    const watch = new HolderWatch({
      clock,
      watched: () => new Set([...reconciler.replaceable(), ...usability.doubted]),
      read: async () => (await backend.read()).peers,
      sentBytes: () => system.sentBytes(options.interfaceName),
      // What counts is whether anything comes back, which the next look sees.
      ask: (publicKey) => void ask(publicKey).catch(() => {}),
      failed: (publicKey) => {
        failed(publicKey);
        silent([publicKey]);
      },
      heard,
    });
    reconciler.onRead(() => {
      if (reconciler.replaceable().size > 0) watch.changed();
    });
    supervisor.start("holder-watch", "restart", (signal) => watch.run(signal));
    const { interfaceName } = options;
    const firewall = new FirewallWatch({ clock, log, system, troubles, interfaceName, self });
    supervisor.start("firewall-watch", "once", (signal) => firewall.run(signal));
  }
}
