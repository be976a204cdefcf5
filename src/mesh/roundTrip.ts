/**
 * How long a packet takes to a peer and back through the tunnel: `ping` and `pong` of the probe protocol (PROTOCOL.md section
 * 11.2), timed on a connection that already stands, so that neither TCP's handshake nor WireGuard's is counted.
 */
import { connect, type Socket } from "node:net";
import type { Clock } from "../core/clock.ts";
import type { IpAddress } from "../core/types.ts";
import type { ProbePath } from "./probe.ts";

export interface RoundTrip {
  readonly milliseconds: number;
  /** The peer's mesh address that answered. */
  readonly address: IpAddress;
}

/**
 * The first answer on any of the paths, or null when none came within `timeoutMs`, which covers the connecting too: WireGuard may
 * have to shake hands first, and tries that every 5 s.
 */
export async function roundTrip(
  paths: readonly ProbePath[],
  port: number,
  clock: Clock,
  timeoutMs: number,
): Promise<RoundTrip | null> {
  const sockets: Socket[] = [];
  let cancel = (): void => {};
  const timeout = new Promise<null>((resolve) => {
    cancel = clock.after(timeoutMs, () => resolve(null));
  });
  const answers = paths.map(async ({ from, to }) => {
    const socket = connect({ host: to, port, localAddress: from, noDelay: true });
    sockets.push(socket);
    return { milliseconds: await timePong(socket, clock), address: to };
  });
  try {
    return await Promise.race([Promise.any(answers).catch(() => null), timeout]);
  } finally {
    cancel();
    for (const socket of sockets) socket.destroy();
  }
}

const PONG = "pong\n";

function timePong(socket: Socket, clock: Clock): Promise<number> {
  return new Promise((resolve, reject) => {
    let sentAtMs = 0;
    let received = "";
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("closed before it answered")));
    socket.once("connect", () => {
      sentAtMs = clock.monotonicMs();
      socket.write("ping\n");
    });
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      received += chunk.slice(0, PONG.length);
      // What came before our question is no answer to it.
      if (sentAtMs > 0 && received.startsWith(PONG)) resolve(clock.monotonicMs() - sentAtMs);
      else if (received.length >= PONG.length) reject(new Error("not an answer"));
    });
  });
}
