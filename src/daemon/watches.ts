/**
 * Tasks that notice from the outside that what is known of the network may not hold any more.
 */
import { SleepWatch } from "../core/sleepWatch.ts";
import type { Discovery } from "../discovery/seams.ts";
import type { Reconciler } from "../mesh/reconciler.ts";
import { SilenceWatch } from "../mesh/silenceWatch.ts";
import type { HostUnderlay } from "../mesh/underlay.ts";
import type { Backend } from "../wireguard/backend.ts";
import type { NodeParts } from "./parts.ts";
import type { Supervisor } from "./supervisor.ts";

export interface WatchedNode {
  readonly backend: Backend;
  readonly reconciler: Reconciler;
  readonly underlay: HostUnderlay;
}

export function startWatches(
  { clock, log, machine, system }: NodeParts,
  { backend, reconciler, underlay }: WatchedNode,
  discovery: Discovery | null,
  supervisor: Supervisor,
): void {
  const sleep = new SleepWatch({
    ...{ clock, log },
    bootMs: () => system.bootMs(),
    cpuMs: () => system.cpuMs(),
    woke: () => underlay.woke(),
  });
  supervisor.start("sleep-watch", "restart", (signal) => sleep.run(signal));
  supervisor.start("machine-watch", "restart", (signal) => machine.run(signal));
  const silence = new SilenceWatch({
    clock,
    read: async () => (await backend.read()).peers,
    silent: () => discovery?.doubt(),
  });
  reconciler.onRead((peers) => silence.noted(peers));
  supervisor.start("silence-watch", "restart", (signal) => silence.run(signal));
}
