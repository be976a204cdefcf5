/**
 * The TCP listener of RPC (row G8): TLS, unless it is on loopback, and a token as the first call.
 */
import net from "node:net";
import tls from "node:tls";
import type { Endpoint } from "../core/types.ts";
import type { Caller } from "./caller.ts";
import type { Credentials } from "./credentials.ts";
import { sourceOf } from "./failedTries.ts";
import type { Gate } from "./gate.ts";
import { type Door, listenAt } from "./listenAt.ts";

export interface TcpDoorOptions {
  readonly listen: Endpoint;
  readonly secure: Credentials["secure"];
  readonly gate: Gate;
  /** Called for each caller at the door. `authenticate` throws ERR_RPC_AUTH. */
  readonly admit: (socket: net.Socket, authenticate: (token: string) => Caller) => void;
  readonly onError: (error: Error) => void;
}

const HANDSHAKE_MS = 10_000;
/** Callers that are still at the handshake, or have shown no token yet: of one source more are closed at once, of all the oldest goes. */
const MAX_STRANGERS_OF_SOURCE = 8;
const MAX_STRANGERS = 64;

/** Rejects with ERR_SYSTEM for an address that cannot be had. */
export async function openTcpDoor(options: TcpDoorOptions): Promise<Door> {
  const { listen, secure, gate, admit, onError } = options;
  const strangers = new Strangers();
  const accept = (socket: net.Socket): void => {
    const address = socket.remoteAddress ?? "";
    // A dead caller that follows would stay for ever.
    socket.setKeepAlive(true, 30_000);
    admit(socket, (token) => {
      const caller = gate.callerAt(address, token);
      strangers.forget(socket);
      return caller;
    });
  };
  const server =
    secure === null
      ? net.createServer(accept)
      : tls.createServer({ ...secure, minVersion: "TLSv1.3", handshakeTimeout: HANDSHAKE_MS }, accept);
  // Handshakes count before they are done: that is where the work is.
  server.on("connection", (socket: net.Socket) => strangers.add(socket));
  server.on("tlsClientError", () => {});
  return await listenAt(server, listen, "--rpc-listen", onError);
}

class Strangers {
  /** By address and port, which the socket of TLS and that below it share; the oldest first. */
  readonly #sockets = new Map<string, net.Socket>();

  add(socket: net.Socket): void {
    socket.on("error", () => {});
    const source = sourceOf(socket.remoteAddress ?? "");
    const all = [...this.#sockets.values()];
    const ofSource = all.filter(({ remoteAddress = "" }) => sourceOf(remoteAddress) === source);
    if (ofSource.length >= MAX_STRANGERS_OF_SOURCE) {
      socket.destroy();
      return;
    }
    if (all.length >= MAX_STRANGERS) all[0]?.destroy();
    const name = nameOf(socket);
    this.#sockets.set(name, socket);
    socket.once("close", () => {
      if (this.#sockets.get(name) === socket) this.#sockets.delete(name);
    });
  }

  forget(socket: net.Socket): void {
    this.#sockets.delete(nameOf(socket));
  }
}

const nameOf = ({ remoteAddress, remotePort }: net.Socket): string => `${remoteAddress} ${remotePort}`;
