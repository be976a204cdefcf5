import type { Clock } from "../core/clock.ts";
import { Pacemaker } from "../core/pacemaker.ts";
import type { Random } from "../core/random.ts";
import type { PublicKey } from "../core/types.ts";
import { type Epoch, firstEpoch, mendEpoch, nextEpoch } from "./epoch.ts";

/** Owns the epoch of this node and begins the next one when it ends (weak point 14: the Go peer has one that nobody asks). */
export class EpochManager {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #neighbours: () => readonly PublicKey[];
  readonly #pacemaker: Pacemaker;
  #epoch: Epoch;

  /** `neighbours`: who could be a relay now. */
  constructor(clock: Clock, random: Random, neighbours: () => readonly PublicKey[]) {
    this.#clock = clock;
    this.#random = random;
    this.#neighbours = neighbours;
    this.#epoch = firstEpoch(clock.monotonicMs(), random);
    this.#pacemaker = new Pacemaker(clock, {
      nextAtMs: () => this.#epoch.endsAtMs,
      act: (nowMs) => {
        this.#epoch = nextEpoch(this.#epoch, this.#neighbours(), nowMs, this.#random);
      },
    });
  }

  /** The body of its task. */
  run(signal: AbortSignal): Promise<void> {
    return this.#pacemaker.run(signal);
  }

  /** The relays of now: those of the epoch, but for the ones that are gone. */
  relays(neighbours: readonly PublicKey[]): readonly PublicKey[] {
    this.#epoch = mendEpoch(this.#epoch, neighbours, this.#random);
    return this.#epoch.relays;
  }

  /** Which epoch it is, and for how long still. */
  get current(): { readonly number: number; readonly leftMs: number; readonly relays: number } {
    const { number, endsAtMs, relays } = this.#epoch;
    return { number, leftMs: Math.max(0, endsAtMs - this.#clock.monotonicMs()), relays: relays.length };
  }
}
