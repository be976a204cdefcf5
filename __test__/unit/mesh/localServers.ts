/** Servers of the tests of one file on loopback, and whatever else is to be closed after each of them. */
import { createServer, type Socket } from "node:net";
import { afterEach } from "vitest";
import type { IpAddress } from "../../../src/core/types.ts";

export const LOCAL = "127.0.0.1" as IpAddress;

export const open: { close(): unknown }[] = [];

afterEach(async () => {
  for (const thing of open.splice(0)) await thing.close();
});

/** A server that does what the test says to each connection; its port. */
export async function serve(onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onConnection(socket);
  });
  open.push({
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    },
  });
  await new Promise<void>((resolve) => server.listen(0, LOCAL, resolve));
  return (server.address() as { port: number }).port;
}
