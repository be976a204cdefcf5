/**
 * Which of many things is due first. A look at the first costs next to nothing, however many there are: whoever waits for a thousand peers
 * asks after each datagram. Pure.
 */
export class DueTimes<Key> {
  readonly #atMs = new Map<Key, number>();
  /** A heap by time; what was changed or deleted since stays in it until it comes up. */
  #times: number[] = [];
  #keys: Key[] = [];

  /** Infinity for something that has its time, but none in sight. */
  set(key: Key, atMs: number): void {
    if (this.#atMs.get(key) === atMs) return;
    this.#atMs.set(key, atMs);
    if (atMs === Number.POSITIVE_INFINITY) return;
    if (this.#times.length > 2 * this.#atMs.size + 64) this.#rebuild();
    else this.#push(key, atMs);
  }

  delete(key: Key): void {
    this.#atMs.delete(key);
  }

  clear(): void {
    this.#atMs.clear();
    this.#times = [];
    this.#keys = [];
  }

  /** The earliest time; null when nothing is due ever. */
  nextAtMs(): number | null {
    while (this.#times.length > 0) {
      const first = this.#times[0] as number;
      if (this.#atMs.get(this.#keys[0] as Key) === first) return first;
      this.#pop();
    }
    return null;
  }

  /** What is due at `nowMs`, each once, the earliest first. It stays due until its time is set anew or it is deleted. */
  due(nowMs: number): Key[] {
    const found = new Map<Key, number>();
    for (let next = this.nextAtMs(); next !== null && next <= nowMs; next = this.nextAtMs()) {
      found.set(this.#keys[0] as Key, next);
      this.#pop();
    }
    for (const [key, atMs] of found) this.#push(key, atMs);
    return [...found.keys()];
  }

  #rebuild(): void {
    this.#times = [];
    this.#keys = [];
    for (const [key, atMs] of this.#atMs) if (atMs !== Number.POSITIVE_INFINITY) this.#push(key, atMs);
  }

  #push(key: Key, atMs: number): void {
    const times = this.#times;
    const keys = this.#keys;
    let index = times.push(atMs) - 1;
    keys.push(key);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = times[parent] as number;
      if (above <= atMs) break;
      times[index] = above;
      keys[index] = keys[parent] as Key;
      index = parent;
    }
    times[index] = atMs;
    keys[index] = key;
  }

  #pop(): void {
    const times = this.#times;
    const keys = this.#keys;
    const atMs = times.pop();
    const key = keys.pop();
    if (atMs === undefined || key === undefined || times.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= times.length) break;
      if (child + 1 < times.length && (times[child + 1] as number) < (times[child] as number)) child += 1;
      if ((times[child] as number) >= atMs) break;
      times[index] = times[child] as number;
      keys[index] = keys[child] as Key;
      index = child;
    }
    times[index] = atMs;
    keys[index] = key;
  }
}
