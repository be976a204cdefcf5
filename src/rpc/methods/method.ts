/**
 * What a method is. One file an area; table.ts joins them.
 */
import { WgmeshError } from "../../core/errors.ts";
import type { Caller, Role } from "../caller.ts";
import type { DaemonView } from "../daemonView.ts";
import type { Params } from "../protocol.ts";

export interface MethodContext {
  readonly view: DaemonView;
  readonly version: string;
  readonly caller: Caller;
  /** Aborted when the connection or the server ends: what a method keeps running for its caller ends with it. */
  readonly signal: AbortSignal;
  /** Runs `action` once the answer to this call is on its way. */
  afterAnswer(action: () => void): void;
  /**
   * Sends a JSON-RPC notification to this caller, before or after the answer. Who does not read loses what does not fit, and
   * is told how many with `lagged`. For methods that {@link MethodRow.follows}.
   */
  notify(method: string, params: object): void;
}

export interface MethodRow {
  /** The least that a caller must be. */
  readonly role: Role;
  /** It changes something: who called it is kept by the audit. */
  readonly changing?: true;
  /** Notifications follow its answer until the caller closes; he may be silent for as long as he likes. */
  readonly follows?: true;
  call(context: MethodContext, params: Params): unknown;
}

export type MethodRows = Readonly<Record<string, MethodRow>>;

/** The method of that name; throws ERR_RPC_METHOD. */
export function findMethod(methods: MethodRows, name: string): MethodRow {
  const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
  if (method === undefined) throw new WgmeshError("ERR_RPC_METHOD", `method not found: ${name}`);
  return method;
}
