interface Entry<T> {
  readonly atMs: number;
  readonly turn: number;
  readonly what: T;
}

const isBefore = <T>(a: Entry<T>, b: Entry<T>): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.turn < b.turn);

/** What is to happen when: a binary heap. What is due at one time comes in the order in which it was added. */
export class Schedule<T> {
  readonly #heap: Entry<T>[] = [];
  #turns = 0;

  add(atMs: number, what: T): void {
    const entry = { atMs, turn: this.#turns++, what };
    let index = this.#heap.length;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = this.#heap[above] as Entry<T>;
      if (isBefore(parent, entry)) break;
      this.#heap[index] = parent;
      index = above;
    }
    this.#heap[index] = entry;
  }

  /** The next, or null. */
  take(): { readonly atMs: number; readonly what: T } | null {
    const [first] = this.#heap;
    const last = this.#heap.pop();
    if (first === undefined || last === undefined) return null;
    if (this.#heap.length > 0) this.#sink(last);
    return first;
  }

  #sink(entry: Entry<T>): void {
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const right = left + 1;
      let least = left;
      if (right < this.#heap.length && isBefore(this.#heap[right] as Entry<T>, this.#heap[left] as Entry<T>))
        least = right;
      const child = this.#heap[least];
      if (child === undefined || isBefore(entry, child)) break;
      this.#heap[index] = child;
      index = least;
    }
    this.#heap[index] = entry;
  }
}
