/**
 * The typed client of the daemon; `wgmesh` and tests use it. It speaks to Go daemons too (for the methods they have).
 */
import type net from "node:net";
import { type Clock, sleep, systemClock } from "../core/clock.ts";
import { WgmeshError } from "../core/errors.ts";
import { openPlace, type Place, placeText } from "./connect.ts";
import type { MethodName, MethodResults } from "./methods/table.ts";
import { Notifications } from "./notifications.ts";
import { type ErrorBody, errorFromBody, type Params, type RequestId } from "./protocol.ts";

export type { ClientResult, ClientsResult, GatewayResult } from "./methods/clients.ts";
export type { ConfigResult } from "./methods/config.ts";
export type * from "./methods/debug.ts";
export type * from "./methods/seeing.ts";
export type { MethodName } from "./methods/table.ts";
export type { Params } from "./protocol.ts";
export type * from "./results.ts";
export { NEVER } from "./results.ts";

export type ClientOptions = Place & {
  /** For the connection and for each call; 5 s unless told. */
  readonly timeoutMs?: number;
  /** How long connecting is tried again while no daemon answers, such as one that restarts; 0 unless told. */
  readonly retryMs?: number;
  readonly clock?: Clock;
  /** Around each wait for the daemon, such as to show that it takes long; the first answer of what is followed included. */
  readonly waiting?: <T>(run: () => Promise<T>) => Promise<T>;
};

interface Answer {
  readonly id?: RequestId;
  /** Of a notification, which has no id. */
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: ErrorBody;
}

/** The Go client starts there too (PROTOCOL.md section 15). */
const FIRST_ID = 2;
const AUTH_ID = 1;

const DEFAULT_TIMEOUT_MS = 5000;
const RETRY_EVERY_MS = 100;

/** One connection; calls may overlap. */
export class RpcClient {
  readonly #socket: net.Socket;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
  readonly #notifications: Notifications;
  readonly #around: NonNullable<ClientOptions["waiting"]>;
  #nextId = FIRST_ID;
  #unread = "";

  private constructor(socket: net.Socket, options: ClientOptions) {
    this.#socket = socket;
    this.#notifications = new Notifications(socket);
    this.#path = placeText(options);
    this.#clock = options.clock ?? systemClock;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#around = options.waiting ?? ((run) => run());
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => this.#take(text));
    socket.on("error", () => {});
    socket.on("close", () => {
      const error = this.#notRunning("the daemon closed the connection");
      this.#fail(error);
      this.#notifications.end(error);
    });
  }

  /**
   * Connects. Errors: ERR_NOT_RUNNING (no socket, or nobody behind it), ERR_PERMISSION (the socket is another user's, or not
   * ours to open), ERR_TIMEOUT.
   */
  static async connect(options: ClientOptions): Promise<RpcClient> {
    const open = (): Promise<RpcClient> => RpcClient.#open(options);
    return await (options.waiting?.(open) ?? open());
  }

  static async #open(options: ClientOptions): Promise<RpcClient> {
    const { clock = systemClock, timeoutMs = DEFAULT_TIMEOUT_MS, retryMs = 0 } = options;
    const deadlineMs = clock.monotonicMs() + retryMs;
    for (;;) {
      try {
        const client = new RpcClient(await openPlace(options, timeoutMs, clock), options);
        if ("server" in options) await client.#authenticate(options.token);
        return client;
      } catch (error) {
        if (!isNotRunning(error) || clock.monotonicMs() >= deadlineMs) throw error;
        await sleep(clock, RETRY_EVERY_MS);
      }
    }
  }

  /** One call. Errors: what the daemon answered, ERR_TIMEOUT, ERR_NOT_RUNNING when it goes away meanwhile. */
  async call<Name extends MethodName>(method: Name, params?: Params): Promise<MethodResults[Name]> {
    const id = this.#nextId++;
    const request = { jsonrpc: "2.0", method, ...(params && { params }), id };
    const answer = await this.#around(() => this.#exchange(id, request));
    if (answer.error !== undefined) throw errorFromBody(answer.error);
    return answer.result as MethodResults[Name];
  }

  /**
   * Calls a method whose answer notifications follow, and gives that and their params, among them `{ lagged: N }` when N were lost
   * because they were not taken in time. Ends without error when the loop is left or {@link close} called; throws
   * ERR_NOT_RUNNING when the daemon goes. A connection follows one thing: open another for a second.
   */
  async follow<Name extends MethodName>(
    method: Name,
    params?: Params,
  ): Promise<{ readonly answer: MethodResults[Name]; readonly items: AsyncIterable<unknown> }> {
    const answer = await this.call(method, params);
    return { answer, items: this.#notifications };
  }

  close(): void {
    this.#notifications.end(null);
    this.#socket.destroy();
  }

  async #authenticate(token: string): Promise<void> {
    const request = { jsonrpc: "2.0", method: "auth", params: { token }, id: AUTH_ID };
    const { error } = await this.#exchange(AUTH_ID, request);
    if (error === undefined) return;
    this.close();
    throw errorFromBody(error);
  }

  #exchange(id: number, request: object): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      if (this.#socket.destroyed) return reject(this.#notRunning("the connection is closed"));
      const cancel = this.#clock.after(this.#timeoutMs, () => {
        this.#waiting.delete(id);
        reject(
          new WgmeshError(
            "ERR_TIMEOUT",
            `the daemon at ${this.#path} gave no answer in ${this.#timeoutMs} ms`,
          ),
        );
      });
      const settle = <T>(then: (value: T) => void) => {
        return (value: T): void => {
          cancel();
          then(value);
        };
      };
      this.#waiting.set(id, { resolve: settle(resolve), reject: settle(reject) });
      this.#socket.write(`${JSON.stringify(request)}\n`);
    });
  }

  #take(text: string): void {
    // Looking through all of a long answer again with each piece of it would take longer than the daemon gets.
    if (!text.includes("\n")) {
      this.#unread += text;
      return;
    }
    const lines = (this.#unread + text).split("\n");
    this.#unread = lines.pop() ?? "";
    for (const line of lines) this.#settle(line);
  }

  #settle(line: string): void {
    let answer: Answer;
    try {
      answer = JSON.parse(line) as Answer;
    } catch {
      this.#fail(new WgmeshError("ERR_INTERNAL", `${this.#path} does not speak JSON-RPC`));
      this.#socket.destroy();
      return;
    }
    if (answer.method !== undefined) {
      this.#notifications.push(answer.params);
      return;
    }
    const id = Number(answer.id);
    this.#waiting.get(id)?.resolve(answer);
    this.#waiting.delete(id);
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #notRunning(reason: string): WgmeshError {
    return new WgmeshError("ERR_NOT_RUNNING", `${this.#path}: ${reason}`);
  }
}

/** Connects, calls once, and closes. */
export async function callOnce<Name extends MethodName>(
  options: ClientOptions,
  method: Name,
  params?: Params,
): Promise<MethodResults[Name]> {
  const client = await RpcClient.connect(options);
  try {
    return await client.call(method, params);
  } finally {
    client.close();
  }
}

const isNotRunning = (error: unknown): boolean =>
  error instanceof WgmeshError && error.code === "ERR_NOT_RUNNING";
