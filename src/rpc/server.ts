/**
 * The RPC server: on the node's own socket, on the Go peer's when this node gets it, and on TCP when it is told to.
 */
import net from "node:net";
import { isLoopback } from "../config/rpcOptions.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf, WgmeshError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { type Endpoint, endpointText } from "../core/types.ts";
import type { Audit } from "./audit.ts";
import { listenOn } from "./bind.ts";
import { type Caller, callerText } from "./caller.ts";
import { Connection, type ConnectionContext, defaultLimits, type RpcLimits } from "./connection.ts";
import { type CredentialPaths, type Credentials, readCredentials } from "./credentials.ts";
import type { DaemonView, RpcServer } from "./daemonView.ts";
import { FailedTries } from "./failedTries.ts";
import { Gate } from "./gate.ts";
import type { GoPath } from "./goPath.ts";
import { supplementaryGroups } from "./groups.ts";
import type { Door } from "./listenAt.ts";
import { methods } from "./methods/table.ts";
import { ConnectionPool } from "./pool.ts";

/** Who is on the other end (SO_PEERCRED). */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export interface RpcServerOptions {
  readonly socketPath: string;
  /** See goPath.ts; null serves the own path alone. */
  readonly goPath: GoPath | null;
  /** Takes a flock, or gives null when another process has it. */
  readonly tryLock: (path: string) => { release(): void } | null;
  /** SO_PEERCRED of a connected socket. */
  readonly credentialsOf: (fd: number) => PeerCredentials;
  /** Besides root, the one user that may do everything. */
  readonly ownUid: number;
  /** Whose members may look, or do everything with `admin`; null for nobody. */
  readonly group?: { readonly id: number; readonly admin: boolean } | null;
  /** Of the TCP listeners. */
  readonly credentials?: CredentialPaths;
  /** RPC for those who show a token; needs `credentials.tokensPath`. Null for none. */
  readonly rpcListen?: Endpoint | null;
  /** Health and metrics; null for none. */
  readonly httpListen?: Endpoint | null;
  /** Connections beyond this are not taken while it is less than the limit; asked each time. */
  readonly spareConnections?: () => number;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits?: Partial<RpcLimits>;
  /** Told of every call that changes something, besides the log. */
  readonly audit?: Audit;
}

/** What one bound path needs at its end. */
interface Listener {
  close(): void;
}

export class DaemonRpcServer implements RpcServer {
  readonly #options: RpcServerOptions;
  readonly #limits: RpcLimits;
  readonly #listeners: Listener[] = [];
  readonly #pool: ConnectionPool;
  readonly #doors: { rpc?: Door; http?: Door } = {};
  readonly #refusals = new FailedTries();
  #gate: Gate | null = null;

  constructor(options: RpcServerOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    const spare = options.spareConnections ?? (() => Infinity);
    this.#pool = new ConnectionPool({
      clock: options.clock,
      limit: () => Math.min(this.#limits.connections, spare()),
    });
  }

  /**
   * Binds; rejects with ERR_ALREADY_RUNNING or ERR_SYSTEM for the own path and TCP, and with what is wrong with certificate or
   * tokens. The Go peer's path is a courtesy: its failure is logged.
   */
  async start(view: DaemonView): Promise<void> {
    try {
      await this.#listen(this.#options.socketPath, view);
      await this.#openDoors(view);
      await this.#listenOnGoPath(view);
    } catch (error) {
      for (const listener of this.#listeners.splice(0)) listener.close();
      throw error;
    }
  }

  async stop(deadlineMs: number): Promise<void> {
    for (const listener of this.#listeners.splice(0)) listener.close();
    await this.#pool.close(deadlineMs);
  }

  async prepareReload(): Promise<() => string[]> {
    const paths = this.#credentialPaths();
    const { tokens, secure } = await readCredentials(paths);
    return () => {
      const gate = this.#gate;
      if (gate !== null && tokens !== null) {
        gate.tokens = tokens;
        this.#pool.end(({ caller }) => caller?.kind === "token" && !tokens.stillHas(caller));
      }
      for (const door of Object.values(this.#doors)) door.setCertificate(secure);
      return [...(tokens === null ? [] : ["rpc-tokens"]), ...(secure === null ? [] : ["rpc-cert"])];
    };
  }

  /** The ports of the TCP listeners that are open. */
  get ports(): { readonly rpc: number | null; readonly http: number | null } {
    return { rpc: this.#doors.rpc?.port ?? null, http: this.#doors.http?.port ?? null };
  }

  /** Files that no listener needs are not looked at. */
  #credentialPaths(): CredentialPaths {
    const { credentials, rpcListen = null, httpListen = null } = this.#options;
    const needed = rpcListen !== null || (httpListen !== null && !isLoopback(httpListen.host));
    return needed && credentials !== undefined ? credentials : { certificate: null, tokensPath: null };
  }

  async #listenOnGoPath(view: DaemonView): Promise<void> {
    const { goPath, tryLock, log } = this.#options;
    if (goPath === null) return;
    try {
      const lock = tryLock(goPath.lockPath);
      if (lock === null) return;
      await this.#listen(goPath.socketPath, view).catch((error: unknown) => {
        lock.release();
        throw error;
      });
      this.#listeners.push({ close: () => lock.release() });
    } catch (error) {
      // A service's user cannot write there, and that is as it should be.
      const level = process.geteuid?.() === 0 ? "warn" : "info";
      log[level](
        { path: goPath.socketPath, reason: messageOf(error) },
        "RPC path of the Go peer is not served",
      );
    }
  }

  async #listen(path: string, view: DaemonView): Promise<void> {
    const { log, group = null } = this.#options;
    const context = this.#context(view, null);
    // Half-open: a client that closes its writing side still gets its answer.
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      // Errors end the read loop of the connection; without a listener they would end the process.
      socket.on("error", () => {});
      const caller = this.#callerOf(socket);
      if (caller === null) socket.destroy();
      else this.#serve(socket, caller, context);
    });
    await listenOn(server, path, group?.id ?? null);
    server.on("error", (error) => log.error({ path, reason: error.message }, "RPC listener failed"));
    this.#listeners.push({ close: () => server.close() });
    log.info({ path }, "RPC listens");
  }

  async #openDoors(view: DaemonView): Promise<void> {
    const { clock, log, rpcListen = null, httpListen = null } = this.#options;
    if (rpcListen === null && httpListen === null) return;
    // The doors are loaded when they are opened: TLS and HTTP cost the start of a daemon without them 12 ms and 2 MiB.
    const { tokens, secure } = await readCredentials(this.#credentialPaths());
    const gate = tokens === null ? null : new Gate(clock, tokens);
    this.#gate = gate;
    const onError = (error: Error): void => log.error({ reason: error.message }, "TCP listener failed");
    if (rpcListen !== null && gate !== null) {
      const admit = (socket: net.Socket, authenticate: (token: string) => Caller): void =>
        this.#serve(
          socket,
          null,
          this.#context(view, (token) => this.#seated(authenticate(token))),
        );
      const { openTcpDoor } = await import("./tcpDoor.ts");
      const door = await openTcpDoor({ listen: rpcListen, secure, gate, admit, onError });
      this.#doors.rpc = door;
      this.#listeners.push(door);
      log.info({ address: endpointText(rpcListen) }, "RPC listens");
    }
    if (httpListen !== null) await this.#openHttp(httpListen, { secure, gate, view, onError });
  }

  async #openHttp(
    listen: Endpoint,
    given: {
      readonly secure: Credentials["secure"];
      readonly gate: Gate | null;
      readonly view: DaemonView;
      readonly onError: (error: Error) => void;
    },
  ): Promise<void> {
    const { log, spareConnections = () => Infinity } = this.#options;
    const { openHttpDoor } = await import("./httpDoor.ts");
    const door = await openHttpDoor({ ...given, listen, log, spareConnections });
    this.#doors.http = door;
    this.#listeners.push(door);
    const address = endpointText(listen);
    log.info({ address }, "HTTP listens");
    if (!isLoopback(listen.host) && (given.secure === null || given.gate === null)) {
      log.warn({ address }, "health and metrics can be read from outside without TLS and a token");
    }
  }

  #serve(socket: net.Socket, caller: Caller | null, context: ConnectionContext): void {
    if (this.#pool.add(new Connection(socket, caller, context))) return;
    this.#options.log.warn({ limit: this.#limits.connections }, "RPC has too many connections");
    socket.destroy();
  }

  /** Throws ERR_NOT_READY when the places for such callers are taken. */
  #seated(caller: Caller): Caller {
    if (this.#pool.hasRoomFor(caller)) return caller;
    this.#options.log.warn({ caller: callerText(caller) }, "RPC has too many connections");
    throw new WgmeshError("ERR_NOT_READY", "too many connections", {
      hint: "close some, or try again later",
    });
  }

  #context(view: DaemonView, authenticate: ConnectionContext["authenticate"]): ConnectionContext {
    const { clock, log, version } = this.#options;
    const audit: Audit = (record) => {
      const { caller, method, outcome } = record;
      if (outcome === "ERR_RPC_ROLE" && !this.#mayBeRefused(caller)) return;
      log.info({ method, caller: callerText(caller), outcome }, "RPC call");
      this.#options.audit?.(record);
    };
    return { view, version, clock, log, limits: this.#limits, audit, methods, authenticate };
  }

  /** False when more of his refused calls would push what others changed out of the log and the audit. */
  #mayBeRefused(caller: Caller): boolean {
    const who = caller.kind === "socket" ? `uid ${caller.uid}` : `token ${caller.name}`;
    const nowMs = this.#options.clock.monotonicMs();
    if (!this.#refusals.mayTry(who, nowMs)) return false;
    this.#refusals.failed(who, nowMs);
    return true;
  }

  /** Null when the user is neither root nor the daemon's own, nor in its group. */
  #callerOf(socket: net.Socket): Caller | null {
    const { credentialsOf, ownUid, group = null, log } = this.#options;
    try {
      const { pid, uid, gid } = credentialsOf(descriptorOf(socket));
      if (uid === 0 || uid === ownUid) return { kind: "socket", pid, uid, gid, role: "admin" };
      if (group !== null && (gid === group.id || supplementaryGroups(pid).includes(group.id))) {
        return { kind: "socket", pid, uid, gid, role: group.admin ? "admin" : "readonly" };
      }
      log.warn({ pid, uid }, "RPC refused to another user");
    } catch (error) {
      log.warn({ reason: messageOf(error) }, "RPC caller is unknown");
    }
    return null;
  }
}

/** Node has no public way to a socket's descriptor. -1, which every system call refuses, when it is gone. */
function descriptorOf(socket: net.Socket): number {
  return (socket as unknown as { _handle?: { fd?: number } | null })._handle?.fd ?? -1;
}
