/**
 * Many routers (src/privacy) joined in memory: a graph of nodes, a clock that only the events move, chance from one seed. What the
 * property tests and the simulation of an attacker run on.
 */
import type { Random } from "../../src/core/random.ts";
import type { IpAddress, PublicKey } from "../../src/core/types.ts";
import { type Epoch, firstEpoch, mendEpoch, nextEpoch } from "../../src/privacy/epoch.ts";
import { type Around, type Effect, Router } from "../../src/privacy/router.ts";
import type { PassedAnnouncement } from "../../src/wire/dandelion.ts";
import { Schedule } from "./schedule.ts";

/** A message that has arrived. */
export interface Arrival {
  readonly atMs: number;
  readonly to: number;
  readonly from: number;
  readonly message: PassedAnnouncement;
}

export interface NetworkOptions {
  /** Each node's neighbours, by number. */
  readonly graph: readonly (readonly number[])[];
  readonly random: Random;
  /** How long a message is on its way. */
  readonly delayMs: () => number;
  /** True for a message that never arrives. */
  readonly isLost?: (from: number, to: number, message: PassedAnnouncement) => boolean;
  readonly arrived?: (arrival: Arrival) => void;
}

/** Stands for the node of that number; real keys are 44 characters long, which no rule of the routers looks at. */
const keyOf = (node: number): PublicKey => `node ${node}` as PublicKey;

interface Node {
  readonly router: Router;
  readonly neighbours: readonly PublicKey[];
  epoch: Epoch;
}

/** Fluff alone: an announcement is told to the neighbours by its maker, as without a stem. */
export type Manner = "stem and fluff" | "fluff alone";

export class Network {
  readonly #options: NetworkOptions;
  readonly #nodes: readonly Node[];
  readonly #numbers: ReadonlyMap<PublicKey, number>;
  readonly #events = new Schedule<() => void>();
  #nowMs = 0;
  #sent = 0;
  #made = 0;
  /** Which nodes have learned of each announcement, by its nonce, and when. */
  readonly learned = new Map<string, Map<number, number>>();

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.#numbers = new Map(options.graph.map((_, number) => [keyOf(number), number]));
    this.#nodes = options.graph.map((neighbours) => ({
      router: new Router(options.random),
      neighbours: neighbours.map(keyOf),
      epoch: firstEpoch(0, options.random),
    }));
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Messages sent so far. */
  get sent(): number {
    return this.#sent;
  }

  sizesOf(node: number): Router["sizes"] {
    return this.#node(node).router.sizes;
  }

  relaysOf(node: number): readonly number[] {
    return this.#around(node).relays.map((relay) => this.#numbers.get(relay) ?? Number.NaN);
  }

  /** Time passes without anything being sent. */
  advance(ms: number): void {
    this.#nowMs += ms;
  }

  /** A node announces itself; the nonce of the announcement. */
  announce(node: number, manner: Manner = "stem and fluff"): string {
    this.#made += 1;
    const nonce = this.#made.toString(16).padStart(32, "0");
    const message: PassedAnnouncement = {
      origin: keyOf(node),
      meshIp: "10.77.0.1" as IpAddress,
      endpoint: "",
      hopCount: 0,
      timestampSeconds: 0,
      nonce,
      ageSeconds: 1,
      fluff: false,
    };
    // Without relays a router has no stem.
    const around = manner === "fluff alone" ? { ...this.#around(node), relays: [] } : this.#around(node);
    this.#apply(node, this.#node(node).router.originate(message, around, this.#nowMs).effects);
    this.#watch(node);
    return nonce;
  }

  /** Puts a message of anybody's making on the way to a node. */
  inject(from: number, to: number, message: PassedAnnouncement): void {
    this.#send(from, { type: "send", to: keyOf(to), message, delayMs: 0 });
  }

  /** Until nothing is under way and nobody waits. */
  run(): void {
    for (let event = this.#events.take(); event !== null; event = this.#events.take()) {
      this.#nowMs = Math.max(this.#nowMs, event.atMs);
      event.what();
    }
  }

  #apply(node: number, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type === "send") this.#send(node, effect);
      else {
        const { nonce } = effect.message;
        const by = this.learned.get(nonce) ?? new Map<number, number>();
        if (!by.has(node)) by.set(node, this.#nowMs);
        this.learned.set(nonce, by);
      }
    }
  }

  #send(from: number, { to: key, message, delayMs }: Effect & { readonly type: "send" }): void {
    const { arrived, delayMs: onTheWayMs, isLost } = this.#options;
    const to = this.#numbers.get(key);
    if (to === undefined) throw new Error(`nobody is ${key}`);
    this.#sent += 1;
    if (isLost?.(from, to, message)) return;
    this.#events.add(this.#nowMs + delayMs + onTheWayMs(), () => {
      arrived?.({ atMs: this.#nowMs, to, from, message });
      const routed = this.#node(to).router.receive(message, keyOf(from), this.#around(to), this.#nowMs);
      this.#apply(to, routed.effects);
      if (routed.fate === "stemmed") this.#watch(to);
    });
  }

  /** Its fail-safe may have work then. */
  #watch(node: number): void {
    const { router } = this.#node(node);
    const atMs = router.nextAtMs();
    if (atMs === null) return;
    this.#events.add(atMs, () => {
      for (const { effects } of router.tick(this.#around(node), this.#nowMs)) this.#apply(node, effects);
    });
  }

  #around(number: number): Around {
    const node = this.#node(number);
    const { random } = this.#options;
    const epoch = nextEpoch(node.epoch, node.neighbours, this.#nowMs, random);
    node.epoch = mendEpoch(epoch, node.neighbours, random);
    return { neighbours: node.neighbours, relays: node.epoch.relays };
  }

  #node(number: number): Node {
    const node = this.#nodes[number];
    if (node === undefined) throw new Error(`there is no node ${number}`);
    return node;
  }
}
