/**
 * Tasks that notice from the outside that what is known of the network may not hold any more.
 */
import { SleepWatch } from "../core/sleepWatch.ts";
import type { PublicKey } from "../core/types.ts";
import type { Discovery } from "../discovery/seams.ts";
import type { Reconciler } from "../mesh/reconciler.ts";
import { SilenceWatch } from "../mesh/silenceWatch.ts";
import type { HostUnderlay } from "../mesh/underlay.ts";
import type { PathTable } from "../peers/paths.ts";
import type { Backend } from "../wireguard/backend.ts";
import { tellListenAddresses } from "./listenAddress.ts";
import type { NodeParts } from "./parts.ts";
import type { Supervisor } from "./supervisor.ts";

export interface WatchedNode {
  readonly backend: Backend;
  readonly reconciler: Reconciler;
  readonly paths: PathTable;
  readonly underlay: HostUnderlay;
}

export interface SilenceListener {
  /** Sends the peer something through the tunnel that it answers if it is there. */
  ask(publicKey: PublicKey): Promise<unknown>;
  /** Told whose traffic is not answered. */
  silent(peers: readonly PublicKey[]): void;
  /** What the interface has sent that the listener itself watches, bytes. */
  sentBytes(): number;
}

export function startWatches(
  { clock, log, machine, options, system, troubles }: NodeParts,
  { backend, paths, reconciler, underlay }: WatchedNode,
  discovery: Discovery | null,
  supervisor: Supervisor,
  listener: SilenceListener,
): void {
  const sleep = new SleepWatch({
    ...{ clock, log },
    bootMs: () => system.bootMs(),
    cpuMs: () => system.cpuMs(),
    woke: () => underlay.woke(),
  });
  supervisor.start("sleep-watch", "restart", (signal) => sleep.run(signal));
  supervisor.start("machine-watch", "restart", (signal) => machine.run(signal));
  const listening = { options, host: system.host, troubles };
  tellListenAddresses(listening, backend);
  underlay.onChange(() => tellListenAddresses(listening, backend));
  const silence = new SilenceWatch({
    clock,
    read: async () => (await backend.read()).peers,
    // A kernel's interface counts what WireGuard adds, too: then a question is still looked at once.
    sentBytes: () => {
      const allBytes = system.sentBytes(options.interfaceName);
      return allBytes === null ? null : allBytes - listener.sentBytes();
    },
    ask: (peers) => {
      // What counts is whether anything comes back, which the next look sees.
      for (const publicKey of peers) listener.ask(publicKey).catch(() => {});
    },
    doubtful: () => discovery?.doubt(),
    silent: (peers) => {
      log.debug({ peers: peers.length }, "peers are silent");
      discovery?.doubt();
      for (const publicKey of peers) paths.report({ kind: "silent", publicKey });
      listener.silent(peers);
    },
    heard: (peers) => {
      for (const publicKey of peers) paths.report({ kind: "heard", publicKey });
    },
  });
  reconciler.onRead((peers) => silence.noted(peers));
  supervisor.start("silence-watch", "restart", (signal) => silence.run(signal));
}
