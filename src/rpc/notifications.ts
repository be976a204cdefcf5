/**
 * Notifications that came in, for one reader. While he is behind the daemon is held back: it counts what is lost then.
 */

/** Taken at once by whoever reads at all. */
const MOST_WAITING = 256;

export class Notifications implements AsyncIterable<unknown> {
  readonly #source: { pause(): unknown; resume(): unknown };
  #waiting: unknown[] = [];
  #ended = false;
  #error: Error | null = null;
  #wake = (): void => {};

  /** @param source of the notifications; paused while too many wait. */
  constructor(source: { pause(): unknown; resume(): unknown }) {
    this.#source = source;
  }

  push(params: unknown): void {
    this.#waiting.push(params);
    if (this.#waiting.length >= MOST_WAITING) this.#source.pause();
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
      this.#source.resume();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
