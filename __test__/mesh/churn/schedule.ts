/** What happens next, and to whom: by chance alone, so the same seed has the same events again as long as the nodes live and die alike. */
import type { Random } from "../../../src/core/random.ts";
import { type Churned, type Happening, happenings, oneOf } from "./churned.ts";

export interface Event {
  readonly node: Churned;
  readonly what: Happening;
}

export class Schedule {
  /** How often each has happened. */
  readonly counts = new Map<Happening, number>();
  readonly #nodes: readonly Churned[];
  readonly #random: Random;
  readonly #leastAlive: number;
  /** Each kind once before one comes again, so that a few minutes have them all. */
  #kinds: (typeof happenings)[number][] = [];

  /** @param leastAlive with so many live nodes none ends for good: it is restarted. */
  constructor(nodes: readonly Churned[], random: Random, leastAlive: number) {
    this.#nodes = nodes;
    this.#random = random;
    this.#leastAlive = leastAlive;
  }

  next(): Event {
    const node = oneOf(this.#random, this.#nodes);
    const what = node.life === "live" ? this.#possible(this.#kind()) : "start";
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
    return { node, what };
  }

  #possible(what: Happening): Happening {
    const ends = what === "kill" || what === "goodbye";
    const live = this.#nodes.filter(({ life }) => life === "live").length;
    return ends && live <= this.#leastAlive ? "restart" : what;
  }

  #kind(): (typeof happenings)[number] {
    if (this.#kinds.length === 0) this.#kinds = [...happenings];
    const kind = oneOf(this.#random, this.#kinds);
    this.#kinds = this.#kinds.filter((other) => other !== kind);
    return kind;
  }
}
