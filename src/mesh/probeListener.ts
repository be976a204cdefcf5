/**
 * The TCP listener by which peers see that the tunnel works (row E4, PROTOCOL.md section 11.2): on the mesh addresses only.
 * A line `ping` is answered with `pong`; other lines are ignored. Line length, idle time and the number of connections are
 * bounded (weak point 17).
 */
import { createServer, type Server, type Socket } from "node:net";
import type { Clock } from "../core/clock.ts";
import { WgmeshError } from "../core/errors.ts";
import type { IpAddress } from "../core/types.ts";

/** The Go peer closes a connection that sends no line for this long. */
const READ_LIMIT_MS = 10_000;
/** Five times what a line of the protocol needs. */
const MAX_LINE_BYTES = 32;
const MAX_CONNECTIONS = 128;
/** Unsent answers to a client that does not read: more means that it only fills our memory. */
const MAX_UNSENT_BYTES = 1_024;

export interface ProbeListenerOptions {
  readonly clock: Clock;
  readonly addresses: readonly IpAddress[];
  /** 0 takes any free port (tests). */
  readonly port: number;
  readonly readLimitMs?: number;
  /** A client at that address has got what we sent to it, and asks: the way works in both directions. */
  readonly asked?: (from: string) => void;
}

export class ProbeListener {
  readonly #options: ProbeListenerOptions;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  constructor(options: ProbeListenerOptions) {
    this.#options = options;
  }

  /** Listens on every address, or on none: rejects with ERR_SYSTEM naming the one that could not be bound. */
  async open(): Promise<void> {
    try {
      for (const address of this.#options.addresses) await this.#listen(address);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** The bound ports, in the order of the addresses. */
  ports(): number[] {
    return this.#servers.map((server) => {
      const address = server.address();
      return typeof address === "object" && address !== null ? address.port : 0;
    });
  }

  /** Ends the connections too. */
  async close(): Promise<void> {
    const closed = this.#servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve)));
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }

  #listen(host: IpAddress): Promise<void> {
    const { port } = this.#options;
    const server = createServer((socket) => this.#serve(socket));
    server.maxConnections = MAX_CONNECTIONS;
    return new Promise((resolve, reject) => {
      server.once("error", (cause) => {
        reject(
          new WgmeshError("ERR_SYSTEM", `probe listener on ${host} port ${port}: ${cause.message}`, {
            cause,
          }),
        );
      });
      server.listen({ host, port, ipv6Only: true }, () => {
        // A failing accept (no file descriptors left) is not worth more than the connection it lost.
        server.removeAllListeners("error").on("error", () => {});
        this.#servers.push(server);
        resolve();
      });
    });
  }

  #serve(socket: Socket): void {
    const { clock, readLimitMs = READ_LIMIT_MS } = this.#options;
    const end = (): void => void socket.destroy();
    let cancelLimit = clock.after(readLimitMs, end);
    let rest = "";
    let isNew = true;
    this.#sockets.add(socket);
    socket.on("error", end);
    socket.on("close", () => {
      cancelLimit();
      this.#sockets.delete(socket);
    });
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > MAX_LINE_BYTES || lines.some((line) => line.length > MAX_LINE_BYTES)) return end();
      if (lines.length > 0) {
        cancelLimit();
        cancelLimit = clock.after(readLimitMs, end);
      }
      const pings = lines.filter((line) => line.trim() === "ping").length;
      // Only the first line of a connection is known to be new: it answers our part of TCP's handshake.
      if (pings > 0 && isNew) this.#options.asked?.(socket.remoteAddress ?? "");
      if (pings > 0) isNew = false;
      if (pings > 0) socket.write("pong\n".repeat(pings));
      if (socket.writableLength > MAX_UNSENT_BYTES) end();
    });
  }
}
