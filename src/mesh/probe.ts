/**
 * Asks a peer's probe listener through the tunnel (PROTOCOL.md section 11.2).
 */
import { connect, type Socket } from "node:net";
import type { Clock } from "../core/clock.ts";
import type { IpAddress } from "../core/types.ts";

/** Long enough for a packet around the world and back, and for one WireGuard handshake before it. */
const PROBE_TIMEOUT_MS = 600;

/** From one of our mesh addresses to one of the peer's: the source keeps the packets inside the tunnel's routes. */
export interface ProbePath {
  readonly from: IpAddress;
  readonly to: IpAddress;
}

/** Which pairs of addresses can be used for a peer. */
export function probePaths(own: MeshAddresses, peer: MeshAddresses): ProbePath[] {
  const paths: ProbePath[] = [];
  if (own.meshIp !== null && peer.meshIp !== null) paths.push({ from: own.meshIp, to: peer.meshIp });
  if (own.meshIpv6 !== null && peer.meshIpv6 !== null) paths.push({ from: own.meshIpv6, to: peer.meshIpv6 });
  return paths;
}

export interface MeshAddresses {
  readonly meshIp: IpAddress | null;
  readonly meshIpv6: IpAddress | null;
}

/**
 * Tries all paths together. Resolves to the milliseconds until the first answer, or null when none came in time.
 */
export async function probe(
  paths: readonly ProbePath[],
  port: number,
  clock: Clock,
  timeoutMs: number = PROBE_TIMEOUT_MS,
): Promise<number | null> {
  const startMs = clock.monotonicMs();
  const sockets: Socket[] = [];
  let cancel = (): void => {};
  const timeout = new Promise<null>((resolve) => {
    cancel = clock.after(timeoutMs, () => resolve(null));
  });
  const answers = paths.map(async (path) => {
    const socket = connect({ host: path.to, port, localAddress: path.from });
    sockets.push(socket);
    await pong(socket);
    return clock.monotonicMs() - startMs;
  });
  try {
    return await Promise.race([Promise.any(answers).catch(() => null), timeout]);
  } finally {
    cancel();
    for (const socket of sockets) socket.destroy();
  }
}

/** Sends `ping`; resolves when the answer starts with the line `pong`, rejects when it cannot any more. */
function pong(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const expected = "pong\n";
    let received = "";
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("closed before it answered")));
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      received += chunk.slice(0, expected.length);
      if (received.startsWith(expected)) resolve();
      else if (received.length >= expected.length) reject(new Error("not an answer"));
    });
    socket.write("ping\n");
  });
}
