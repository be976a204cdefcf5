/**
 * What a module sees of the supervisor (daemon/supervisor.ts): a place to start named, cancellable, awaited tasks.
 */
export type TaskPolicy =
  /** Its failure ends the daemon with its cause and exit code. */
  | "critical"
  /** Its failure is logged and it starts again, with backoff. */
  | "restart"
  /** It runs to its end once; a failure is logged. */
  | "once";

export type TaskBody = (signal: AbortSignal) => Promise<void>;

export interface TaskScope {
  /** Aborted when the scope shuts down. */
  readonly signal: AbortSignal;
  /** Starts a task. Names are unique within the daemon: `lan`, `reconcile`, `exchange.hello`. */
  start(name: string, policy: TaskPolicy, body: TaskBody): void;
}

export interface TaskStatus {
  readonly name: string;
  readonly policy: TaskPolicy;
  readonly state: "running" | "backoff" | "done" | "failed";
  readonly restarts: number;
  readonly lastError: string | null;
  /** How long it has been in this state, in milliseconds. */
  readonly sinceMs: number;
}
