/**
 * The registry of long operations (row F8): whatever takes longer than a call should has an entry here, with its state and how far
 * it is, and may be asked to end.
 */
import type { Clock } from "./clock.ts";
import { messageOf, WgmeshError } from "./errors.ts";

/** Everything that may be an entry, and whether it may be asked to end. ARCHITECTURE.md has the same list. */
export const OPERATION_KINDS = {
  /** All or nothing: it cannot end half-way. */
  "daemon.reload": { cancellable: false },
  "debug.cpu-profile": { cancellable: true },
  "debug.heap-profile": { cancellable: true },
  "net.check": { cancellable: true },
} as const;

export type OperationKind = keyof typeof OPERATION_KINDS;

export type OperationState = "running" | "done" | "failed" | "cancelled";

export interface Operation {
  /** 1 for the first of a run of the daemon. */
  readonly id: number;
  /** What it does. */
  readonly kind: OperationKind;
  readonly state: OperationState;
  /** From 0 to 1; null when it cannot be told. */
  readonly progress: number | null;
  /** What it is at, or why it failed. */
  readonly detail: string;
  /** Unix milliseconds. */
  readonly startedAtMs: number;
  /** How long it has taken so far, or took. */
  readonly durationMs: number;
  readonly cancellable: boolean;
}

/** What an operation is given by the registry. */
export interface OperationHandle {
  /** Aborted by `cancel`. */
  readonly signal: AbortSignal;
  /** @param progress from 0 to 1, or null. */
  report(progress: number | null, detail: string): void;
}

interface Entry {
  readonly id: number;
  readonly kind: OperationKind;
  readonly abort: AbortController | null;
  readonly startedAtMs: number;
  readonly startMs: number;
  state: OperationState;
  progress: number | null;
  detail: string;
  endMs: number | null;
}

/** How many that ended are kept. */
const ENDED_KEPT = 32;

export class Operations {
  readonly #clock: Clock;
  readonly #entries = new Map<number, Entry>();
  #lastId = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Runs it as an entry; resolves and rejects as `body` does. One that can be cancelled has to heed its signal, and rejects with
   * whatever it likes then.
   */
  async run<T>(kind: OperationKind, body: (handle: OperationHandle) => Promise<T>): Promise<T> {
    const entry = this.#add(kind);
    const signal = entry.abort?.signal ?? new AbortController().signal;
    try {
      const result = await body({
        signal,
        report: (progress, detail) => {
          entry.progress = progress;
          entry.detail = detail;
        },
      });
      this.#end(entry, "done", "");
      return result;
    } catch (error) {
      this.#end(entry, signal.aborted ? "cancelled" : "failed", messageOf(error));
      throw error;
    }
  }

  /** The oldest first. */
  list(): Operation[] {
    return [...this.#entries.values()].map((entry) => ({
      id: entry.id,
      kind: entry.kind,
      state: entry.state,
      progress: entry.progress,
      detail: entry.detail,
      startedAtMs: entry.startedAtMs,
      durationMs: Math.round((entry.endMs ?? this.#clock.monotonicMs()) - entry.startMs),
      cancellable: entry.abort !== null && entry.state === "running",
    }));
  }

  /** Asks it to end. Throws ERR_OPERATION for one that is not there, has ended, or cannot. */
  cancel(id: number): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new WgmeshError("ERR_OPERATION", `there is no operation ${id}`);
    if (entry.state !== "running") {
      throw new WgmeshError("ERR_OPERATION", `operation ${id} (${entry.kind}) has ended: ${entry.state}`);
    }
    if (entry.abort === null) {
      throw new WgmeshError("ERR_OPERATION", `operation ${id} (${entry.kind}) cannot be cancelled`);
    }
    entry.abort.abort(new WgmeshError("ERR_OPERATION", `${entry.kind} was cancelled`));
  }

  #add(kind: OperationKind): Entry {
    this.#lastId += 1;
    const entry: Entry = {
      id: this.#lastId,
      kind,
      abort: OPERATION_KINDS[kind].cancellable ? new AbortController() : null,
      startedAtMs: this.#clock.wallMs(),
      startMs: this.#clock.monotonicMs(),
      state: "running",
      progress: null,
      detail: "",
      endMs: null,
    };
    this.#entries.set(entry.id, entry);
    return entry;
  }

  #end(entry: Entry, state: OperationState, detail: string): void {
    entry.state = state;
    entry.detail = detail;
    if (state === "done") entry.progress = 1;
    entry.endMs = this.#clock.monotonicMs();
    const ended = [...this.#entries.values()].filter((each) => each.state !== "running");
    for (const { id } of ended.slice(0, Math.max(0, ended.length - ENDED_KEPT))) this.#entries.delete(id);
  }
}
