/**
 * On which line of a TOML text each table and key stands: what parsers of values do not tell. For a text that is valid already.
 */

/** Line numbers from 1, by the path of the key; see {@link lineOf}. Keys inside inline tables and arrays are not listed. */
export type KeyLines = ReadonlyMap<string, number>;

const joined = (path: readonly string[]): string => path.join("\0");

/** The line of the key, or of the nearest thing around it; 1 for the whole text. */
export function lineOf(lines: KeyLines, path: readonly string[]): number {
  for (let length = path.length; length > 0; length -= 1) {
    const line = lines.get(joined(path.slice(0, length)));
    if (line !== undefined) return line;
  }
  return 1;
}

export function keyLines(text: string): KeyLines {
  const scanner = new Scanner(text);
  const lines = new Map<string, number>();
  const note = (path: readonly string[], line: number): void => {
    // A table is also made by the first key below it.
    for (let length = 1; length <= path.length; length += 1) {
      const name = joined(path.slice(0, length));
      if (!lines.has(name)) lines.set(name, line);
    }
  };
  let table: readonly string[] = [];
  while (scanner.toStatement()) {
    const line = scanner.line;
    if (scanner.takes("[")) {
      scanner.takes("[");
      table = scanner.key("]");
      note(table, line);
    } else {
      note([...table, ...scanner.key("=")], line);
    }
    scanner.toEndOfStatement();
  }
  return lines;
}

class Scanner {
  readonly #text: string;
  #at = 0;
  line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  /** Skips blanks and comments; false at the end. */
  toStatement(): boolean {
    for (;;) {
      const character = this.#text[this.#at];
      if (character === undefined) return false;
      if (character === "#") this.#skipComment();
      else if (/\s/.test(character)) this.#step();
      else return true;
    }
  }

  takes(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#step();
    return true;
  }

  /** A key with dots and quotes, up to `end`, which is taken too. */
  key(end: string): string[] {
    const parts = [""];
    for (;;) {
      const character = this.#text[this.#at];
      if (character === undefined || this.takes(end)) return parts;
      if (character === '"' || character === "'") {
        const start = this.#at;
        this.#skipString();
        parts.push(`${parts.pop()}${this.#text.slice(start + 1, this.#at - 1)}`);
        continue;
      }
      if (character === ".") parts.push("");
      else if (!/\s/.test(character)) parts.push(`${parts.pop()}${character}`);
      this.#step();
    }
  }

  /** Skips a value with all its lines, and the rest of its last line. */
  toEndOfStatement(): void {
    let depth = 0;
    for (;;) {
      const character = this.#text[this.#at];
      if (character === undefined || (character === "\n" && depth <= 0)) return;
      if (character === "#") this.#skipComment();
      else if (character === '"' || character === "'") this.#skipString();
      else {
        if (character === "[" || character === "{") depth += 1;
        if (character === "]" || character === "}") depth -= 1;
        this.#step();
      }
    }
  }

  #skipComment(): void {
    while (this.#at < this.#text.length && this.#text[this.#at] !== "\n") this.#step();
  }

  #skipString(): void {
    const quote = this.#text[this.#at] ?? "";
    const end = this.#text.startsWith(quote.repeat(3), this.#at) ? quote.repeat(3) : quote;
    this.#skip(end.length);
    while (this.#at < this.#text.length && !this.#text.startsWith(end, this.#at)) {
      this.#skip(quote === '"' && this.#text[this.#at] === "\\" ? 2 : 1);
    }
    this.#skip(end.length);
    // Up to two quotes may stand right before the end of a text of many lines.
    while (end.length === 3 && this.#text[this.#at] === quote) this.#step();
  }

  #skip(characters: number): void {
    for (let count = 0; count < characters; count += 1) this.#step();
  }

  #step(): void {
    if (this.#text[this.#at] === "\n") this.line += 1;
    this.#at += 1;
  }
}
