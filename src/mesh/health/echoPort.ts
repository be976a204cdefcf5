/**
 * Questions to nodes of ours after their health, as datagrams between the mesh addresses: three in place of a TCP connection's ten, since
 * they are asked of every peer all day. A thread of the addon sends and answers them (native/src/health has their form); this process is
 * not woken for an answer, it looks on the next beat, when it is awake anyhow.
 */
import { BEAT_MS, nextBeat } from "../../core/beat.ts";
import type { Clock } from "../../core/clock.ts";
import type { ProbePath } from "../probe.ts";

/** As the sleep watch, which wakes the process this often whatever it does. */
const LOOK_EVERY_MS = BEAT_MS / 2;

interface Proof {
  readonly address: string;
  readonly ageMs: number;
}

/** The sockets and their thread. */
export interface EchoSockets {
  /** False when it cannot be asked this way. */
  ask(from: string, to: string, port: number, timeoutMs: number): boolean;
  takeNews(): {
    readonly answered: readonly Proof[];
    readonly unanswered: readonly string[];
    readonly asked: readonly Proof[];
  };
  setEager(eager: boolean): void;
  /** All that went into the tunnels, as IP packets. */
  sentBytes(): number;
  close(): void;
}

/** Binds every address, or throws; `callback` is called when a question was not answered, and for proofs while it is eager. */
export type OpenEcho = (addresses: readonly string[], port: number, callback: () => void) => EchoSockets;

export interface EchoPortOptions {
  readonly clock: Clock;
  readonly open: OpenEcho;
  /** Told whose question was answered, and when that was known to have arrived, monotonic milliseconds. */
  readonly asked: (from: string, atMs: number) => void;
}

export class EchoPort {
  readonly #options: EchoPortOptions;
  /** By the mesh address that was asked. */
  readonly #waiting = new Map<string, (answeredAtMs: number | null) => void>();
  #sockets: EchoSockets | null = null;
  #end = new AbortController();
  #looking = false;
  #eager = false;
  /** Of sockets that were closed. */
  #sentBytesBefore = 0;

  constructor(options: EchoPortOptions) {
    this.#options = options;
  }

  /** All that went into the tunnels, as IP packets. */
  get sentBytes(): number {
    return this.#sentBytesBefore + (this.#sockets?.sentBytes() ?? 0);
  }

  /** Throws what `open` of the options throws. Opened again after {@link close}. */
  open(addresses: readonly string[], port: number): void {
    this.#sockets = this.#options.open(addresses, port, () => this.look());
    this.#sockets.setEager(this.#eager);
    this.#end = new AbortController();
  }

  close(): void {
    this.#sentBytesBefore = this.sentBytes;
    this.#sockets?.close();
    this.#sockets = null;
    this.#end.abort();
    for (const end of [...this.#waiting.values()]) end(null);
  }

  /** While somebody's recovery is waited for, proofs are told of at once. */
  setEager(eager: boolean): void {
    if (eager === this.#eager) return;
    this.#eager = eager;
    this.#sockets?.setEager(eager);
  }

  /**
   * Null when the question cannot be asked this way; else when the answer came, monotonic milliseconds, or null when none did within
   * `timeoutMs`. An answer may be told of a beat later.
   */
  ask({ from, to }: ProbePath, port: number, timeoutMs: number): Promise<number | null> | null {
    if (this.#waiting.has(to) || this.#sockets?.ask(from, to, port, timeoutMs) !== true) return null;
    if (!this.#looking) void this.#lookOnBeats(this.#end.signal);
    return new Promise((resolve) => {
      this.#waiting.set(to, (answeredAtMs) => {
        this.#waiting.delete(to);
        resolve(answeredAtMs);
      });
    });
  }

  /** Tells what is known by now: before anybody is asked, and whenever it matters. */
  look(): void {
    // A call of the thread may arrive when the sockets are closed.
    if (this.#sockets === null) return;
    const { answered, unanswered, asked } = this.#sockets.takeNews();
    const nowMs = this.#options.clock.monotonicMs();
    for (const { address, ageMs } of answered) this.#waiting.get(address)?.(nowMs - ageMs);
    for (const address of unanswered) this.#waiting.get(address)?.(null);
    for (const { address, ageMs } of asked) this.#options.asked(address, nowMs - ageMs);
  }

  /** For as long as an answer is waited for. */
  async #lookOnBeats(signal: AbortSignal): Promise<void> {
    this.#looking = true;
    try {
      do {
        await nextBeat(this.#options.clock, signal, LOOK_EVERY_MS);
        this.look();
      } while (this.#waiting.size > 0);
    } catch {
      // Closed: who waited was told.
    } finally {
      this.#looking = false;
    }
  }
}
