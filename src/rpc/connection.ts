/**
 * One client's connection: lines in, answers out, one at a time and in order.
 */
import type net from "node:net";
import type { Clock } from "../core/clock.ts";
import { type ErrorCode, messageOf, WgmeshError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Audit } from "./audit.ts";
import { type Caller, callerText, mayCall } from "./caller.ts";
import type { DaemonView } from "./daemonView.ts";
import { LineLimitError, readLines } from "./lines.ts";
import { findMethod, type MethodRow, type MethodRows } from "./methods/method.ts";
import { Outgoing } from "./outgoing.ts";
import { errorResponse, parseRequest, type Request, type Response, resultResponse } from "./protocol.ts";

/** Times in milliseconds. Defaults in {@link defaultLimits}. */
export interface RpcLimits {
  readonly connections: number;
  /** For a caller to show his token, where one is asked for. */
  readonly authTimeMs: number;
  /** From the first byte of a request to its LF. */
  readonly lineTimeMs: number;
  /** Between two requests. */
  readonly idleTimeMs: number;
  /** For one method to answer, and for the client to take the answer. */
  readonly callTimeMs: number;
}

export const defaultLimits: RpcLimits = {
  connections: 1_024,
  authTimeMs: 4_000,
  lineTimeMs: 10_000,
  idleTimeMs: 300_000,
  callTimeMs: 30_000,
};

export interface ConnectionContext {
  readonly view: DaemonView;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: RpcLimits;
  readonly audit: Audit;
  readonly methods: MethodRows;
  /** Who shows this token; throws ERR_RPC_AUTH. Null where the kernel tells who calls. */
  readonly authenticate: ((token: string) => Caller) | null;
}

export class Connection {
  readonly #socket: net.Socket;
  /** Null until the caller has shown a token. */
  #caller: Caller | null;
  readonly #context: ConnectionContext;
  readonly #outgoing: Outgoing;
  readonly #ended = new AbortController();
  /** Null while a call is in flight. */
  #idleSinceMs: number | null;
  #stopping = false;
  #following = false;

  constructor(socket: net.Socket, caller: Caller | null, context: ConnectionContext) {
    this.#socket = socket;
    this.#caller = caller;
    this.#context = context;
    this.#outgoing = new Outgoing(socket, context.clock);
    this.#idleSinceMs = context.clock.monotonicMs();
    socket.once("close", () => this.#ended.abort());
  }

  get caller(): Caller | null {
    return this.#caller;
  }

  /** How long nothing was asked; 0 during a call, and for one that follows. */
  idleMs(): number {
    if (this.#idleSinceMs === null || this.#following) return 0;
    return this.#context.clock.monotonicMs() - this.#idleSinceMs;
  }

  /** Serves until the client leaves, breaks a limit, or {@link finish} is called. Never rejects. */
  async serve(): Promise<void> {
    const { clock, limits, log } = this.#context;
    const { lineTimeMs } = limits;
    const idleTimeMs = (): number | null => {
      if (this.#caller === null) return limits.authTimeMs;
      return this.#following ? null : limits.idleTimeMs;
    };
    try {
      for await (const line of readLines(this.#socket, { clock, lineTimeMs, idleTimeMs })) {
        this.#idleSinceMs = null;
        await this.#handle(line);
        this.#idleSinceMs = clock.monotonicMs();
        if (this.#stopping) break;
      }
      this.#socket.end();
    } catch (error) {
      const expected = error instanceof LineLimitError;
      const fields = { caller: this.#callerText(), reason: messageOf(error) };
      if (expected) log.warn(fields, "RPC client cut off");
      else log.debug(fields, "RPC connection broke");
      this.#socket.destroy();
    } finally {
      this.#ended.abort();
    }
  }

  /** Ends at once when idle, after the call in flight otherwise. */
  finish(): void {
    this.#stopping = true;
    if (this.#idleSinceMs !== null) this.destroy();
  }

  destroy(): void {
    this.#ended.abort();
    this.#socket.destroy();
  }

  async #handle(line: string): Promise<void> {
    const after: (() => void)[] = [];
    const parsed = parseRequest(line);
    const response = parsed.ok
      ? await this.#call(parsed.request, (action) => after.push(action))
      : errorResponse(parsed.id, parsed.error);
    await this.#outgoing.write(`${JSON.stringify(response)}\n`, this.#context.limits.callTimeMs);
    for (const action of after) action();
  }

  #callerText(): string {
    return this.#caller === null ? "nobody yet" : callerText(this.#caller);
  }

  /** The first call of a caller without credentials: shows his token, or ends the connection. */
  #authenticate({ id, method, params }: Request): Response {
    try {
      if (method !== "auth" || typeof params.token !== "string") {
        throw new WgmeshError("ERR_RPC_AUTH", "the first call must be 'auth' with a token");
      }
      const caller = this.#context.authenticate?.(params.token) ?? null;
      if (caller === null) throw new WgmeshError("ERR_RPC_AUTH", "no tokens are taken here");
      this.#caller = caller;
      return resultResponse(id, { name: caller.kind === "token" ? caller.name : "", role: caller.role });
    } catch (error) {
      this.#stopping = true;
      return errorResponse(id, error);
    }
  }

  async #call(request: Request, afterAnswer: (action: () => void) => void): Promise<Response> {
    const caller = this.#caller;
    if (caller === null) return this.#authenticate(request);
    let method: MethodRow | null = null;
    try {
      method = findMethod(this.#context.methods, request.method);
      checkRole(caller, request.method, method);
      if (method.follows === true) this.#checkFollow();
      const result = await this.#within(this.#run(caller, method, request, afterAnswer));
      if (method.follows === true) this.#following = true;
      this.#audit(caller, method, request, "ok");
      return resultResponse(request.id, result);
    } catch (error) {
      const known = error instanceof WgmeshError;
      if (!known) {
        this.#context.log.error({ method: request.method, reason: messageOf(error) }, "RPC method failed");
      }
      this.#audit(caller, method, request, known ? error.code : "ERR_INTERNAL");
      return errorResponse(request.id, error);
    }
  }

  async #run(
    caller: Caller,
    method: MethodRow,
    request: Request,
    afterAnswer: (action: () => void) => void,
  ): Promise<unknown> {
    const { view, version } = this.#context;
    const context = {
      view,
      version,
      caller,
      signal: this.#ended.signal,
      afterAnswer,
      notify: (name: string, params: object) => this.#outgoing.notify(name, params),
    };
    return await method.call(context, request.params);
  }

  #audit(
    caller: Caller,
    method: MethodRow | null,
    { method: name, params }: Request,
    outcome: "ok" | ErrorCode,
  ): void {
    if (method?.changing !== true) return;
    this.#context.audit({
      caller,
      method: name,
      // Who may not change anything has no say in what the audit keeps.
      params: outcome === "ERR_RPC_ROLE" ? {} : params,
      outcome,
    });
  }

  /** One caller costs one listener, and one that has left costs none: its further lines may still be here. */
  #checkFollow(): void {
    if (!this.#following && !this.#ended.signal.aborted) return;
    throw new WgmeshError("ERR_RPC_REQUEST", "a connection follows one thing", {
      hint: "open another connection for it",
    });
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
}

function checkRole(caller: Caller, name: string, method: MethodRow): void {
  if (mayCall(caller, method.role)) return;
  throw new WgmeshError("ERR_RPC_ROLE", `${name} needs the role ${method.role}`);
}
