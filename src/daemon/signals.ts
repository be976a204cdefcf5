/**
 * What the operating system tells the process (rows C4, C5).
 */

/** The part of `process` that is used. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
}

/**
 * Listens from its construction on, which is why it is made before the first log line: whoever has seen one may send a
 * signal and expect an orderly end.
 */
export class Signals {
  readonly #source: SignalSource;
  readonly #stop = new AbortController();
  readonly #hurry = new AbortController();
  #stoppedBy: string | null = null;
  #reloadWanted = false;
  #onReload: (() => void) | null = null;
  #onReopen: () => void = () => {};
  #handsOver = false;
  #leavesInterface = false;

  readonly #listeners: Readonly<Partial<Record<NodeJS.Signals, () => void>>> = {
    SIGINT: () => this.stop("SIGINT"),
    SIGTERM: () => this.stop("SIGTERM"),
    SIGHUP: () => this.#reload(),
    SIGUSR1: () => this.#onReopen(),
  };

  constructor(source: SignalSource) {
    this.#source = source;
    for (const [signal, listener] of this.#entries()) source.on(signal, listener);
  }

  /** Aborted by the first request to stop. */
  get stopSignal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Aborted by the second one: waiting is skipped, removal is not. */
  get hurrySignal(): AbortSignal {
    return this.#hurry.signal;
  }

  /** The signal that came first; null when none did. */
  get stoppedBy(): string | null {
    return this.#stoppedBy;
  }

  /** The stop that goes on leaves the place to a successor: asked for by {@link handOver}, and by nobody else to end since. */
  get handsOver(): boolean {
    return this.#handsOver;
  }

  /** It leaves the interface too, where that can do without a process. */
  get leavesInterface(): boolean {
    return this.#handsOver && this.#leavesInterface;
  }

  /**
   * Asks for a stop that leaves everything to a successor (`wgmesh restart`). Without effect once a stop was asked for.
   *
   * @param withInterface false when the successor makes another one.
   */
  handOver(withInterface: boolean): void {
    if (this.#stop.signal.aborted) return;
    this.#handsOver = true;
    this.#leavesInterface = withInterface;
    this.#stop.abort();
  }

  /** As SIGTERM does; also for a stop asked over RPC, which is no signal. */
  stop(signal: string | null = null): void {
    this.#handsOver = false;
    if (this.#stop.signal.aborted) this.#hurry.abort();
    else {
      this.#stoppedBy = signal;
      this.#stop.abort();
    }
  }

  /** Calls back for SIGHUP, also for one that came before. */
  onReload(callback: () => void): void {
    this.#onReload = callback;
    if (this.#reloadWanted) this.#reload();
  }

  /** Calls back for SIGUSR1: the log file was moved away. */
  onReopen(callback: () => void): void {
    this.#onReopen = callback;
  }

  /** Gives the signals back to the process. */
  close(): void {
    for (const [signal, listener] of this.#entries()) this.#source.off(signal, listener);
  }

  #reload(): void {
    this.#reloadWanted = this.#onReload === null;
    this.#onReload?.();
  }

  #entries(): [NodeJS.Signals, () => void][] {
    return Object.entries(this.#listeners) as [NodeJS.Signals, () => void][];
  }
}
