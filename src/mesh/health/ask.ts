/**
 * One question to a peer through the tunnel (PROTOCOL.md section 11.2): `ping` to its probe listener, on a connection of its own. That
 * its first line comes at all tells the other side too that both directions work.
 */
import { connect, type Socket } from "node:net";
import type { Clock } from "../../core/clock.ts";
import type { ProbePath } from "../probe.ts";

const PONG = "pong\n";

/**
 * True when the peer answered on one of the paths within `timeoutMs`. A refused connection is an answer too: it came through the tunnel,
 * from a node whose listener is not there.
 */
export async function askThrough(
  paths: readonly ProbePath[],
  port: number,
  clock: Clock,
  timeoutMs: number,
): Promise<boolean> {
  const sockets: Socket[] = [];
  let cancel = (): void => {};
  const late = new Promise<false>((resolve) => {
    cancel = clock.after(timeoutMs, () => resolve(false));
  });
  const answers = paths.map(({ from, to }) => {
    const socket = connect({ host: to, port, localAddress: from, noDelay: true });
    sockets.push(socket);
    return answer(socket);
  });
  const any = Promise.any(answers).then(
    () => true as const,
    () => false as const,
  );
  try {
    return await Promise.race([any, late]);
  } finally {
    cancel();
    for (const socket of sockets) socket.destroy();
  }
}

function answer(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = "";
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED") resolve();
      else reject(error);
    });
    socket.on("close", () => reject(new Error("closed before it answered")));
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      received += chunk.slice(0, PONG.length);
      if (received.startsWith(PONG)) resolve();
      else if (received.length >= PONG.length) reject(new Error("not an answer"));
    });
    socket.write("ping\n");
  });
}
