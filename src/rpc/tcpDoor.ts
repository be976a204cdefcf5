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

/** Ample for three round trips around the world. */
const HANDSHAKE_MS = 4_000;
/**
 * Callers that are still at the handshake, or have shown no token yet. Whoever comes is let in, and the oldest goes: many share the
 * address of a NAT, and one of them who is silent must not keep the others out.
 */
const MAX_STRANGERS_OF_SOURCE = 16;
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
  // Node.js tells of a handshake that failed or took too long, and leaves the socket open.
  server.on("tlsClientError", (_error: Error, socket: net.Socket) => socket.destroy());
  return await listenAt(server, listen, "--rpc-listen", onError);
}

interface Stranger {
  readonly socket: net.Socket;
  readonly source: string;
}

class Strangers {
  /** By address and port, which the socket of TLS and that below it share; the oldest first. */
  readonly #strangers = new Map<string, Stranger>();

  add(socket: net.Socket): void {
    socket.on("error", () => {});
    const source = sourceOf(socket.remoteAddress ?? "");
    const same = this.#from(source);
    if (same.length >= MAX_STRANGERS_OF_SOURCE) this.#end(same[0]);
    // One of the largest crowd, so that many from one place cost no other its turn.
    if (this.#strangers.size >= MAX_STRANGERS) this.#end(this.#largestCrowd()[0]);
    const name = nameOf(socket);
    const stranger = { socket, source };
    this.#strangers.set(name, stranger);
    socket.once("close", () => {
      if (this.#strangers.get(name) === stranger) this.#strangers.delete(name);
    });
  }

  forget(socket: net.Socket): void {
    this.#strangers.delete(nameOf(socket));
  }

  #end(stranger: Stranger | undefined): void {
    if (stranger === undefined) return;
    this.forget(stranger.socket);
    stranger.socket.destroy();
  }

  #from(source: string): Stranger[] {
    return [...this.#strangers.values()].filter((stranger) => stranger.source === source);
  }

  #largestCrowd(): Stranger[] {
    const sources = new Set([...this.#strangers.values()].map(({ source }) => source));
    const crowds = [...sources].map((source) => this.#from(source));
    return crowds.reduce((most, crowd) => (crowd.length > most.length ? crowd : most), []);
  }
}

const nameOf = ({ remoteAddress, remotePort }: net.Socket): string => `${remoteAddress} ${remotePort}`;
