/**
 * Questions that wait for their turn: all peers are asked at the same time, up to a bound, so that dead ones do not hold up the others
 * (weak point 34).
 */

/**
 * A node that lost its network asks a thousand peers twice in 20 s, and waits for each 1.2 s: 120 at once. Each may be two sockets, so there
 * is an end.
 */
const MAX_AT_ONCE = 256;

export class Questions {
  readonly #waiting: (() => Promise<void>)[] = [];
  #running = 0;

  /** `question` must not reject. */
  add(question: () => Promise<void>): void {
    this.#waiting.push(question);
    this.#next();
  }

  #next(): void {
    while (this.#running < MAX_AT_ONCE) {
      const question = this.#waiting.shift();
      if (question === undefined) return;
      this.#running += 1;
      void question().finally(() => {
        this.#running -= 1;
        this.#next();
      });
    }
  }
}
