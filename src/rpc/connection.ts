/**
 * One client's connection: lines in, answers out, one at a time and in order.
 */
import type net from "node:net";
import type { Clock } from "../core/clock.ts";
import { messageOf, WgmeshError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { DaemonView } from "./daemonView.ts";
import { LineLimitError, readLines } from "./lines.ts";
import { changesSomething, findMethod } from "./methods.ts";
import { errorResponse, parseRequest, type Request, type Response, resultResponse } from "./protocol.ts";

/** Times in milliseconds. Defaults in {@link defaultLimits}. */
export interface RpcLimits {
  readonly connections: number;
  /** From the first byte of a request to its LF. */
  readonly lineTimeMs: number;
  /** Between two requests. */
  readonly idleTimeMs: number;
  /** For one method to answer, and for the client to take the answer. */
  readonly callTimeMs: number;
}

export const defaultLimits: RpcLimits = {
  connections: 64,
  lineTimeMs: 10_000,
  idleTimeMs: 300_000,
  callTimeMs: 30_000,
};

/** Who is on the other end (SO_PEERCRED). */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
}

export interface ConnectionContext {
  readonly view: DaemonView;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: RpcLimits;
}

export class Connection {
  readonly #socket: net.Socket;
  readonly #caller: PeerCredentials;
  readonly #context: ConnectionContext;
  #busy = false;
  #stopping = false;

  constructor(socket: net.Socket, caller: PeerCredentials, context: ConnectionContext) {
    this.#socket = socket;
    this.#caller = caller;
    this.#context = context;
  }

  /** Serves until the client leaves, breaks a limit, or {@link finish} is called. Never rejects. */
  async serve(): Promise<void> {
    const { clock, limits, log } = this.#context;
    try {
      const { lineTimeMs, idleTimeMs } = limits;
      for await (const line of readLines(this.#socket, { clock, lineTimeMs, idleTimeMs })) {
        this.#busy = true;
        await this.#handle(line);
        this.#busy = false;
        if (this.#stopping) break;
      }
      this.#socket.end();
    } catch (error) {
      const expected = error instanceof LineLimitError;
      if (expected) log.warn({ pid: this.#caller.pid, reason: error.message }, "RPC client cut off");
      else log.debug({ pid: this.#caller.pid, reason: messageOf(error) }, "RPC connection broke");
      this.#socket.destroy();
    }
  }

  /** Ends at once when idle, after the call in flight otherwise. */
  finish(): void {
    this.#stopping = true;
    if (!this.#busy) this.#socket.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  async #handle(line: string): Promise<void> {
    const after: (() => void)[] = [];
    const parsed = parseRequest(line);
    const response = parsed.ok
      ? await this.#call(parsed.request, (action) => after.push(action))
      : errorResponse(parsed.id, parsed.error);
    await this.#write(`${JSON.stringify(response)}\n`);
    for (const action of after) action();
  }

  async #call(request: Request, afterAnswer: (action: () => void) => void): Promise<Response> {
    const { view, version, log } = this.#context;
    const { pid, uid } = this.#caller;
    try {
      const method = findMethod(request.method);
      if (changesSomething(request.method)) log.info({ method: request.method, pid, uid }, "RPC call");
      const answer = Promise.resolve(method({ view, version, afterAnswer }, request.params));
      return resultResponse(request.id, await this.#within(answer));
    } catch (error) {
      const known = error instanceof WgmeshError;
      if (!known) log.error({ method: request.method, reason: messageOf(error) }, "RPC method failed");
      return errorResponse(request.id, error);
    }
  }

  /** The value, or ERR_TIMEOUT after the call time. */
  #within<T>(promise: Promise<T>): Promise<T> {
    const { clock, limits } = this.#context;
    return new Promise<T>((resolve, reject) => {
      const cancel = clock.after(limits.callTimeMs, () =>
        reject(new WgmeshError("ERR_TIMEOUT", `no result after ${limits.callTimeMs} ms`)),
      );
      promise.then(resolve, reject).finally(cancel);
    });
  }

  /** Resolves when the kernel has it all, or the socket is gone; a client that does not read is cut off. */
  #write(text: string): Promise<void> {
    const { clock, limits } = this.#context;
    return new Promise((resolve) => {
      const cancel = clock.after(limits.callTimeMs, () => this.#socket.destroy());
      this.#socket.write(text, () => {
        cancel();
        resolve();
      });
    });
  }
}
