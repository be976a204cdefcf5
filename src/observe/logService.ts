/**
 * Lines to a log service of the machine. Nothing waits for it: what it does not take now is kept for a while and sent when it takes
 * lines again; beyond 1 MiB lines are counted and given up (the last ones are in the node's memory all the same).
 */
import { messageOf } from "../core/errors.ts";

export interface LogServiceOptions {
  /** One line, JSON with its LF, as what the service takes. */
  readonly encode: (line: string) => Uint8Array;
  /** Must not wait. False when there is no room now; throws when nobody takes it. */
  readonly send: (entry: Uint8Array) => boolean;
  /**
   * Told once when the service is away, or lines are lost for want of room, with a sentence for the operator, and once with null when it
   * takes lines again. Must not throw, nor write to this service.
   */
  readonly onTrouble: (reason: string | null) => void;
  /** Told after that, how many lines were given up. Must not throw, nor write to this service. */
  readonly onLost: (lines: number) => void;
}

/** Bytes of what waits, at most. */
const MAX_WAITING_BYTES = 1024 * 1024;

export class LogService {
  readonly #options: LogServiceOptions;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #lost = 0;
  #trouble = false;

  constructor(options: LogServiceOptions) {
    this.#options = options;
  }

  /** Takes a line with its LF. Never throws, never waits. */
  write(line: string): void {
    const entry = this.#options.encode(line);
    if (this.retry() && this.#send(entry)) return;
    if (this.#waiting.length > 0 && this.#waitingBytes + entry.length > MAX_WAITING_BYTES) {
      this.#lost += 1;
      this.#report("it takes no more lines, and those that wait are too many: lines are lost");
      return;
    }
    this.#waiting.push(entry);
    this.#waitingBytes += entry.length;
  }

  /** Sends what waits, if the service takes it now: the next line may be long in coming. True when nothing waits any more. */
  retry(): boolean {
    if (this.#waiting.length === 0) return true;
    const done = this.#waiting.findIndex((entry) => !this.#send(entry));
    const sent = this.#waiting.splice(0, done === -1 ? this.#waiting.length : done);
    this.#waitingBytes -= sent.reduce((sum, entry) => sum + entry.length, 0);
    if (this.#waiting.length > 0) return false;
    this.#ok();
    return true;
  }

  /** False when it has to wait. */
  #send(entry: Uint8Array): boolean {
    try {
      return this.#options.send(entry);
    } catch (error) {
      this.#report(messageOf(error));
      return false;
    }
  }

  #report(reason: string): void {
    if (this.#trouble) return;
    this.#trouble = true;
    this.#options.onTrouble(reason);
  }

  #ok(): void {
    const lost = this.#lost;
    this.#lost = 0;
    if (this.#trouble) this.#options.onTrouble(null);
    this.#trouble = false;
    if (lost > 0) this.#options.onLost(lost);
  }
}
