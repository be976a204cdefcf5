/**
 * The RPC server: on the node's own socket, on the Go peer's when this node gets it, and on TCP when it is told to.
 */
import net from "node:net";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { type Endpoint, endpointText } from "../core/types.ts";
import type { Audit } from "./audit.ts";
import { listenOn } from "./bind.ts";
import { type Caller, callerText } from "./caller.ts";
import { Connection, type ConnectionContext, defaultLimits, type RpcLimits } from "./connection.ts";
import type { DaemonView, RpcServer } from "./daemonView.ts";
import type { GoPath } from "./goPath.ts";
import { supplementaryGroups } from "./groups.ts";
import { methods } from "./methods/table.ts";
import { ConnectionPool } from "./pool.ts";
import { TcpDoor, type TcpDoorOptions } from "./tcpDoor.ts";

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
  /** Null for no TCP. */
  readonly tcp?: Pick<TcpDoorOptions, "certificate" | "tokensPath"> & { readonly listen: Endpoint };
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
  #tcp: TcpDoor | null = null;

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
      await this.#listenOnTcp(view);
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
    const tcp = this.#tcp;
    if (tcp === null) return () => [];
    const apply = await tcp.prepare();
    return () => {
      apply();
      this.#pool.end(({ caller }) => caller?.kind === "token" && !tcp.stillHas(caller));
      return ["rpc-tokens", ...(this.#options.tcp?.certificate === null ? [] : ["rpc-cert"])];
    };
  }

  /** The port of TCP, or null. */
  get tcpPort(): number | null {
    return this.#tcp?.port ?? null;
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
      log.warn(
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

  async #listenOnTcp(view: DaemonView): Promise<void> {
    const { tcp, clock, log } = this.#options;
    if (tcp === undefined) return;
    const address = endpointText(tcp.listen);
    const door = await TcpDoor.open({
      ...tcp,
      clock,
      admit: (socket, authenticate) => this.#serve(socket, null, this.#context(view, authenticate)),
      onError: (error) => log.error({ address, reason: error.message }, "RPC listener failed"),
    });
    this.#tcp = door;
    this.#listeners.push({ close: () => door.close() });
    log.info({ address }, "RPC listens");
  }

  #serve(socket: net.Socket, caller: Caller | null, context: ConnectionContext): void {
    if (this.#pool.add(new Connection(socket, caller, context))) return;
    this.#options.log.warn({ limit: this.#limits.connections }, "RPC has too many connections");
    socket.destroy();
  }

  #context(view: DaemonView, authenticate: ConnectionContext["authenticate"]): ConnectionContext {
    const { clock, log, version } = this.#options;
    const audit: Audit = (record) => {
      const { caller, method, outcome } = record;
      log.info({ method, caller: callerText(caller), outcome }, "RPC call");
      this.#options.audit?.(record);
    };
    return { view, version, clock, log, limits: this.#limits, audit, methods, authenticate };
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
