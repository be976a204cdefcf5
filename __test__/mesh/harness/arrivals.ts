/** Counts the packets that reach a host from some others, second by second. */
import { must } from "./exec.ts";
import { delay } from "./time.ts";

export interface Flood {
  /** Packets in the worst second. */
  readonly most: number;
  /** Packets a second. */
  readonly mean: number;
  readonly perSecond: readonly number[];
}

export class Arrivals {
  readonly #namespace: string;
  #isOver = false;

  /** `what`: an nft expression for the packets that count. */
  constructor(namespace: string, what: string) {
    this.#namespace = namespace;
    const chain = `chain input { type filter hook prerouting priority -300; ${what} counter name reached\n }`;
    must(
      ["ip", "netns", "exec", namespace, "nft", "-f", "-"],
      `table inet arrivals {\n counter reached { }\n ${chain}\n}\n`,
    );
  }

  /** How many so far. */
  get count(): number {
    const list = ["nft", "list", "counter", "inet", "arrivals", "reached"];
    return Number(/packets (\d+)/.exec(must(["ip", "netns", "exec", this.#namespace, ...list]))?.[1]);
  }

  /** What arrives while the action runs. */
  async during(action: () => Promise<unknown>): Promise<Flood> {
    this.#isOver = false;
    const perSecond: number[] = [];
    const begin = { count: this.count, ms: performance.now() };
    const watching = (async () => {
      while (!this.#isOver) {
        const start = { count: this.count, ms: performance.now() };
        await delay(1000);
        // A busy machine stretches the second.
        const seconds = Math.max(1, (performance.now() - start.ms) / 1000);
        perSecond.push(Math.round((this.count - start.count) / seconds));
      }
    })();
    try {
      await action();
    } finally {
      this.#isOver = true;
      await watching;
    }
    const mean = ((this.count - begin.count) * 1000) / (performance.now() - begin.ms);
    return { most: Math.max(0, ...perSecond), mean, perSecond };
  }
}
