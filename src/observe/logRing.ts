/**
 * The last lines of the log in memory, for those who ask over RPC.
 */
import { type LogFilter, type LogLine, passesLog } from "../core/logLine.ts";

interface Bounds {
  readonly lines: number;
  readonly characters: number;
}

const USUAL: Bounds = { lines: 2_000, characters: 1024 * 1024 };
/** While memory is short. */
const SMALL: Bounds = { lines: 100, characters: 64 * 1024 };

export class LogRing {
  /** JSON, the oldest first: parsed only when somebody asks. */
  #lines: string[] = [];
  #characters = 0;
  #bounds = USUAL;
  readonly #listeners = new Set<(line: string) => void>();

  /** Takes one finished line: JSON with its LF, nothing secret in it. */
  add(line: string): void {
    this.#lines.push(line);
    this.#characters += line.length;
    // In pieces, since each shift moves all that follow.
    const { lines, characters } = this.#bounds;
    if (this.#lines.length >= lines * 2 || this.#characters >= characters * 2) this.#shrink();
    for (const listener of this.#listeners) listener(line);
  }

  /** Keeps hardly anything from now on, or as much as ever again. */
  setSmall(isSmall: boolean): void {
    this.#bounds = isSmall ? SMALL : USUAL;
    this.#shrink();
  }

  /** The last `limit` that pass, the oldest first. */
  list(filter: LogFilter, limit: number): LogLine[] {
    const found: LogLine[] = [];
    for (let index = this.#lines.length - 1; index >= 0 && found.length < limit; index -= 1) {
      const line = parsed(this.#lines[index] ?? "");
      if (passesLog(line, filter)) found.push(line);
    }
    return found.reverse();
  }

  /** Calls back for each further line that passes; the returned function ends that. A listener must not log. */
  subscribe(filter: LogFilter, listener: (line: LogLine) => void): () => void {
    const filtered = (text: string): void => {
      const line = parsed(text);
      if (passesLog(line, filter)) listener(line);
    };
    this.#listeners.add(filtered);
    return () => this.#listeners.delete(filtered);
  }

  #shrink(): void {
    const { lines, characters } = this.#bounds;
    let kept = 0;
    let first = this.#lines.length;
    while (first > 0 && this.#lines.length - first < lines) {
      const length = this.#lines[first - 1]?.length ?? 0;
      if (kept + length > characters) break;
      kept += length;
      first -= 1;
    }
    this.#lines = this.#lines.slice(first);
    this.#characters = kept;
  }
}

const parsed = (line: string): LogLine => JSON.parse(line) as LogLine;
