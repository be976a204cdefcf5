/**
 * Output of a program cut into lines, however it comes: long lines are cut, and nothing of any size is kept.
 */
export class OutputLines {
  readonly #onLine: (line: string) => void;
  readonly #maxCharacters: number;
  #rest = "";
  /** The beginning of the line was handed on already. */
  #isCut = false;

  /** @param maxCharacters of a line; what follows them is left out. */
  constructor(maxCharacters: number, onLine: (line: string) => void) {
    this.#maxCharacters = maxCharacters;
    this.#onLine = onLine;
  }

  add(text: string): void {
    const parts = text.split("\n");
    for (const [index, part] of parts.entries()) {
      if (!this.#isCut) this.#take(part);
      if (index < parts.length - 1) this.end();
    }
  }

  /** The line that is under way has come to its end; also for the last one, which may have no line break. */
  end(): void {
    const line = this.#rest;
    this.#rest = "";
    if (!this.#isCut && line.trim() !== "") this.#onLine(line);
    this.#isCut = false;
  }

  #take(part: string): void {
    this.#rest += part;
    if (this.#rest.length <= this.#maxCharacters) return;
    const line = `${this.#rest.slice(0, this.#maxCharacters)}…`;
    this.#rest = "";
    this.#isCut = true;
    this.#onLine(line);
  }
}
