/** The ends by which peers see that we are well, as a task: on the mesh addresses, also after they have changed. */
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { EchoPort } from "../mesh/health/echoPort.ts";
import { ProbeListener } from "../mesh/probeListener.ts";
import type { LocalNode } from "../peers/localNode.ts";

export interface ProbeListening {
  readonly clock: Clock;
  readonly log: Log;
  readonly port: number;
  readonly self: LocalNode;
  /** For nodes of ours, on the UDP port of the same number; one that cannot be had is done without. */
  readonly echo?: EchoPort;
  /** Told from which mesh address a peer asked. */
  readonly asked: (from: string) => void;
}

/** The body of the task `probe-listener`. Rejects with ERR_SYSTEM when an address cannot be bound. */
export async function listenForProbes(
  { clock, log, port, self, echo, asked }: ProbeListening,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const { meshIp, meshIpv6 } = self.snapshot;
    const addresses = meshIpv6 === null ? [meshIp] : [meshIp, meshIpv6];
    const listener = new ProbeListener({ clock, addresses, port, asked });
    const moved = untilMoved(self, addresses, signal);
    try {
      await listener.open();
      try {
        echo?.open(addresses, port);
      } catch (error) {
        log.warn({ port, reason: messageOf(error) }, "peers are asked by connections only");
      }
      log.debug({ port, addresses }, "probe listener open");
      await moved.promise;
    } finally {
      moved.end();
      echo?.close();
      await listener.close();
    }
  }
}

function untilMoved(
  self: LocalNode,
  addresses: readonly string[],
  signal: AbortSignal,
): { readonly promise: Promise<void>; readonly end: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  const isSame = (): boolean => {
    const { meshIp, meshIpv6 } = self.snapshot;
    return meshIp === addresses[0] && (meshIpv6 ?? undefined) === addresses[1];
  };
  const look = (): void => {
    if (signal.aborted || !isSame()) resolve();
  };
  const unsubscribe = self.subscribe(look);
  signal.addEventListener("abort", look, { once: true });
  look();
  const end = (): void => {
    unsubscribe();
    signal.removeEventListener("abort", look);
  };
  return { promise, end };
}
