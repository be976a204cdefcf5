/**
 * The tasks that keep the health of peers (row E4): the watch, and the listener by which peers see that we are well.
 */
import { sleep } from "../core/clock.ts";
import type { PublicKey } from "../core/types.ts";
import { askThrough } from "../mesh/health/ask.ts";
import { EchoPort } from "../mesh/health/echoPort.ts";
import { otherPlaces } from "../mesh/health/places.ts";
import type { HealthTable } from "../mesh/health/table.ts";
import { HealthWatch } from "../mesh/health/watch.ts";
import { probePaths } from "../mesh/probe.ts";
import type { Reconciler } from "../mesh/reconciler.ts";
import type { HostUnderlay } from "../mesh/underlay.ts";
import type { LocalNode } from "../peers/localNode.ts";
import type { PathTable } from "../peers/paths.ts";
import type { PeerStore } from "../peers/store.ts";
import { healthTeller } from "./healthTeller.ts";
import { openEcho } from "./os.ts";
import type { NodeParts } from "./parts.ts";
import { listenForProbes } from "./probeListening.ts";
import type { Supervisor } from "./supervisor.ts";

export interface JudgingNode {
  readonly self: LocalNode;
  readonly store: PeerStore;
  readonly paths: PathTable;
  readonly underlay: HostUnderlay;
  readonly reconciler: Reconciler;
  readonly health: HealthTable;
}

/** What others need of them. */
export interface HealthKeeping {
  /** To be told whose traffic is not answered. */
  silent(peers: readonly PublicKey[]): void;
  /** What the questions after the health have sent through the tunnels, as IP packets. */
  sentBytes(): number;
}

/** Starts them. */
export function startHealth(
  { clock, log, mesh, metrics, events, random }: NodeParts,
  { health, paths, reconciler, self, store, underlay }: JudgingNode,
  supervisor: Supervisor,
  expireMs: number,
): HealthKeeping {
  const asked = (from: string, atMs?: number): void => watch.asked(from, atMs);
  const echo = new EchoPort({ clock, open: openEcho, asked });
  health.subscribe(() => echo.setEager(health.troubled > 0));
  const watch = new HealthWatch({
    ...{ clock, random, store, paths, table: health, ownKey: self.snapshot.publicKey },
    ask: (peer, thorough, timeoutMs) => {
      const all = probePaths(self.snapshot, peer);
      const [first] = all;
      // A node of ours says which run of it this is; the others, and whoever did not answer, are asked as the Go peer asks.
      const isOurs = peer.instance !== "" && !thorough && first !== undefined;
      const answer = isOurs ? echo.ask(first, mesh.probePort, timeoutMs) : null;
      if (answer !== null) return answer;
      const answered = askThrough(thorough ? all : all.slice(0, 1), mesh.probePort, clock, timeoutMs);
      return answered.then((isThere) => (isThere ? clock.monotonicMs() : null));
    },
    look: () => echo.look(),
    otherPlaces: (peer) =>
      otherPlaces({
        peer,
        path: paths.get(peer.publicKey),
        current: reconciler.actual(peer.publicKey)?.endpoint ?? null,
        isAllowed: (host) => !underlay.isInsideMesh(host) && !underlay.isElsewhere(host),
      }),
    restartHandshake: (publicKey, to) => reconciler.restartHandshake(publicKey, to),
    changed: () => reconciler.request(),
    tell: healthTeller(events, log.child({ module: "mesh" }), metrics, health),
  });
  reconciler.onRead((peers) => watch.noted(peers));
  supervisor.start("health", "restart", (signal) => watch.run(signal));
  const probes = { clock, log, port: mesh.probePort, self, echo, asked };
  supervisor.start("probe-listener", "restart", (signal) => listenForProbes(probes, signal));
  supervisor.start("peer-expiry", "restart", async (signal) => {
    for (;;) {
      const dueMs = clock.monotonicMs() + expireMs;
      await sleep(clock, expireMs, signal);
      // This node itself was away: the others get as long as ever to be heard.
      if (clock.monotonicMs() - dueMs < expireMs / 2) store.expire();
    }
  });
  return { silent: (peers) => watch.silent(peers), sentBytes: () => echo.sentBytes };
}
