/**
 * The TCP listener (row G8): TLS, unless it is on loopback, and a token as the first call.
 */
import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import type { Clock } from "../core/clock.ts";
import { messageOf, WgmeshError } from "../core/errors.ts";
import { readSteeringFile } from "../core/files.ts";
import { type Endpoint, endpointText } from "../core/types.ts";
import type { Caller } from "./caller.ts";
import { FailedTries, sourceOf } from "./failedTries.ts";
import { Tokens } from "./tokens.ts";

export interface TcpDoorOptions {
  readonly listen: Endpoint;
  /** PEM files; null for plain TCP, on loopback. */
  readonly certificate: { readonly certPath: string; readonly keyPath: string } | null;
  readonly tokensPath: string;
  readonly clock: Clock;
  /** Called for each caller at the door. `authenticate` throws ERR_RPC_AUTH. */
  readonly admit: (socket: net.Socket, authenticate: (token: string) => Caller) => void;
  readonly onError: (error: Error) => void;
}

/** What a reload changes: certificate and tokens, read and checked, or neither. */
interface Credentials {
  readonly tokens: Tokens;
  readonly secure: tls.SecureContextOptions | null;
}

const HANDSHAKE_MS = 10_000;
/** Callers that are still at the handshake, or have shown no token yet: of one source more are closed at once, of all the oldest goes. */
const MAX_STRANGERS_OF_SOURCE = 8;
const MAX_STRANGERS = 64;

export class TcpDoor {
  readonly #options: TcpDoorOptions;
  readonly #server: net.Server;
  readonly #tries = new FailedTries();
  #tokens: Tokens;
  /** By address and port, which the socket of TLS and that below it share; the oldest first. */
  readonly #strangers = new Map<string, net.Socket>();

  private constructor(options: TcpDoorOptions, { tokens, secure }: Credentials) {
    this.#options = options;
    this.#tokens = tokens;
    this.#server =
      secure === null
        ? net.createServer((socket) => this.#accept(socket))
        : tls.createServer({ ...secure, minVersion: "TLSv1.3", handshakeTimeout: HANDSHAKE_MS }, (socket) =>
            this.#accept(socket),
          );
    // Handshakes count before they are done: one connection costs its keys.
    this.#server.on("connection", (socket: net.Socket) => this.#count(socket));
    this.#server.on("tlsClientError", () => {});
  }

  /** Rejects with ERR_STATE_* or ERR_RELOAD for files that cannot be used, ERR_SYSTEM for an address that cannot. */
  static async open(options: TcpDoorOptions): Promise<TcpDoor> {
    const door = new TcpDoor(options, await readCredentials(options));
    const { host, port } = options.listen;
    door.#server.listen({ host, port });
    await once(door.#server, "listening").catch((cause: unknown) => {
      const place = endpointText(options.listen);
      throw new WgmeshError("ERR_SYSTEM", `cannot listen on ${place}: ${messageOf(cause)}`, {
        cause,
        hint: "choose another --rpc-listen",
      });
    });
    door.#server.on("error", options.onError);
    return door;
  }

  /** Where it listens, also when port 0 was asked for. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Reads certificate and tokens; the returned function puts them to use. Rejects with what is wrong with them. */
  async prepare(): Promise<() => void> {
    const { tokens, secure } = await readCredentials(this.#options);
    return () => {
      this.#tokens = tokens;
      if (secure !== null && this.#server instanceof tls.Server) this.#server.setSecureContext(secure);
    };
  }

  stillHas(caller: Caller): boolean {
    return this.#tokens.stillHas(caller);
  }

  close(): void {
    this.#server.close();
  }

  #count(socket: net.Socket): void {
    socket.on("error", () => {});
    const source = sourceOf(socket.remoteAddress ?? "");
    const strangers = [...this.#strangers];
    const ofSource = strangers.filter(([, { remoteAddress = "" }]) => sourceOf(remoteAddress) === source);
    if (ofSource.length >= MAX_STRANGERS_OF_SOURCE) {
      socket.destroy();
      return;
    }
    if (strangers.length >= MAX_STRANGERS) strangers[0]?.[1].destroy();
    const name = nameOf(socket);
    this.#strangers.set(name, socket);
    socket.once("close", () => {
      if (this.#strangers.get(name) === socket) this.#strangers.delete(name);
    });
  }

  #accept(socket: net.Socket): void {
    const { clock, admit } = this.#options;
    const address = socket.remoteAddress ?? "";
    // A dead caller that follows would stay for ever.
    socket.setKeepAlive(true, 30_000);
    admit(socket, (token) => {
      if (!this.#tries.mayTry(address, clock.monotonicMs())) {
        throw new WgmeshError("ERR_RPC_AUTH", "too many wrong tokens", { hint: "try again in a minute" });
      }
      const caller = this.#tokens.callerOf(token);
      if (caller === null) {
        this.#tries.failed(address, clock.monotonicMs());
        throw new WgmeshError("ERR_RPC_AUTH", "the token is not known");
      }
      this.#strangers.delete(nameOf(socket));
      return caller;
    });
  }
}

const nameOf = ({ remoteAddress, remotePort }: net.Socket): string => `${remoteAddress} ${remotePort}`;

async function readCredentials({ certificate, tokensPath }: TcpDoorOptions): Promise<Credentials> {
  const tokens = await Tokens.read(tokensPath);
  if (certificate === null) return { tokens, secure: null };
  const { certPath, keyPath } = certificate;
  const secure = { cert: await readPem(certPath), key: await readPem(keyPath) };
  try {
    tls.createSecureContext(secure);
  } catch (cause) {
    throw new WgmeshError("ERR_RELOAD", `${certPath} and ${keyPath}: ${messageOf(cause)}`, {
      cause,
      hint: "give a certificate and its key as PEM",
    });
  }
  return { tokens, secure };
}

async function readPem(path: string): Promise<string> {
  const text = await readSteeringFile(path);
  if (text === null) throw new WgmeshError("ERR_STATE_UNREADABLE", `${path} does not exist`);
  return text;
}
