/**
 * The RPC server on Unix sockets: the node's own path, and the Go peer's when this node gets it.
 */
import net from "node:net";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Audit } from "./audit.ts";
import { listenOn } from "./bind.ts";
import { type Caller, callerText } from "./caller.ts";
import { Connection, type ConnectionContext, defaultLimits, type RpcLimits } from "./connection.ts";
import type { DaemonView, RpcServer } from "./daemonView.ts";
import type { GoPath } from "./goPath.ts";
import { methods } from "./methods/table.ts";

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
  /** Besides root, the one user that may call. */
  readonly ownUid: number;
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

export class UnixRpcServer implements RpcServer {
  readonly #options: RpcServerOptions;
  readonly #limits: RpcLimits;
  readonly #listeners: Listener[] = [];
  /** Each open connection with the promise of its end. */
  readonly #connections = new Map<Connection, Promise<void>>();

  constructor(options: RpcServerOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
  }

  /** Binds; rejects with ERR_ALREADY_RUNNING or ERR_SYSTEM for the own path. The Go peer's path is a courtesy: its failure is logged. */
  async start(view: DaemonView): Promise<void> {
    await this.#listen(this.#options.socketPath, view);
    await this.#listenOnGoPath(view);
  }

  async stop(deadlineMs: number): Promise<void> {
    for (const listener of this.#listeners.splice(0)) listener.close();
    for (const connection of this.#connections.keys()) connection.finish();
    await new Promise<void>((resolve) => {
      // A destroyed socket does not end a method that hangs: that one is left to its own call time.
      const cancel = this.#options.clock.after(deadlineMs, () => {
        for (const connection of this.#connections.keys()) connection.destroy();
        resolve();
      });
      void Promise.all(this.#connections.values()).then(() => {
        cancel();
        resolve();
      });
    });
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
    const { clock, log, version } = this.#options;
    const audit: Audit = (record) => {
      const { caller, method, outcome } = record;
      log.info({ method, caller: callerText(caller), outcome }, "RPC call");
      this.#options.audit?.(record);
    };
    const context: ConnectionContext = { view, version, clock, log, limits: this.#limits, audit, methods };
    // Half-open: a client that closes its writing side still gets its answer.
    const server = net.createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket, context));
    await listenOn(server, path);
    server.on("error", (error) => log.error({ path, reason: error.message }, "RPC listener failed"));
    this.#listeners.push({ close: () => server.close() });
    log.info({ path }, "RPC listens");
  }

  #accept(socket: net.Socket, context: ConnectionContext): void {
    // Errors end the read loop of the connection; without a listener they would end the process.
    socket.on("error", () => {});
    const caller = this.#admit(socket);
    if (caller === null) {
      socket.destroy();
      return;
    }
    const connection = new Connection(socket, caller, context);
    const served = connection.serve().finally(() => this.#connections.delete(connection));
    this.#connections.set(connection, served);
  }

  /** The caller, or null when there are too many connections or the user is neither root nor the daemon's own. */
  #admit(socket: net.Socket): Caller | null {
    const { credentialsOf, ownUid, log } = this.#options;
    if (this.#connections.size >= this.#limits.connections) {
      log.warn({ limit: this.#limits.connections }, "RPC has too many connections");
      return null;
    }
    try {
      const { pid, uid, gid } = credentialsOf(descriptorOf(socket));
      if (uid === 0 || uid === ownUid) return { kind: "socket", pid, uid, gid, role: "admin" };
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
