/**
 * Notifications that came in, for one reader.
 */
export class Notifications implements AsyncIterable<unknown> {
  #waiting: unknown[] = [];
  #ended = false;
  #error: Error | null = null;
  #wake = (): void => {};

  push(params: unknown): void {
    this.#waiting.push(params);
    this.#wake();
  }

  /** What came before is still read. The first call counts. */
  end(error: Error | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown> {
    for (;;) {
      const waiting = this.#waiting;
      this.#waiting = [];
      yield* waiting;
      if (this.#waiting.length > 0) continue;
      if (this.#error !== null) throw this.#error;
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
