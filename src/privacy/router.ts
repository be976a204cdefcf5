/**
 * Stem and fluff (row D9): where an announcement goes next. Pure: time, chance and the neighbours come in, effects come out; the same
 * code runs in the daemon and in the simulation of an attacker (bench/privacy).
 *
 *   made ──────────► stem ──┬─ hop count 4, or 1 in 10, or no relay ──► fluff: learned, and sent to the neighbours
 *                     ▲     └─ else to relay[hop count mod relays] ──┐     ▲
 *                     └───────────── at the next node ◄──────────────┘     │
 *                     └── did not come back in time (failSafe.ts) ─────────┘
 *
 * What is only on the stem is not acted on: a relay that greeted the origin before all others do would give it away.
 */
import type { Random } from "../core/random.ts";
import type { PublicKey } from "../core/types.ts";
import { aged, MAX_HOPS, type PassedAnnouncement } from "../wire/dandelion.ts";
import { exponentialMs, sample } from "./chance.ts";
import { FailSafe } from "./failSafe.ts";
import { NonceCache } from "./nonceCache.ts";
import { Recent } from "./recent.ts";

/** PROTOCOL.md section 13. */
const FLUFF_CHANCE = 0.1;
/**
 * Up to this many neighbours all are told, so that everybody in a connected graph of such nodes is reached for certain. Among more, so
 * many by chance, and a few more the larger the mesh is: one in 160,000 is missed then by all the others, and hears the next time.
 */
const FLUFF_TO_ALL = 12;
const SPARE_TELLINGS = 4;
/** Each goes out by itself after a moment, so that who hears first is not who stands nearest. */
const MEAN_FLUFF_DELAY_MS = 100;
/** A new neighbour is told so many of the last announcements. */
const MOST_TO_NEWCOMER = 16;
const NEWCOMER_EVERY_MS = 50;

/** Who can be sent to now. */
export interface Around {
  readonly neighbours: readonly PublicKey[];
  /** Those of the epoch, out of the neighbours. */
  readonly relays: readonly PublicKey[];
}

export type Effect =
  | {
      readonly type: "send";
      readonly to: PublicKey;
      readonly message: PassedAnnouncement;
      readonly delayMs: number;
    }
  /** The announcement is for everybody: what it says may be used. */
  | { readonly type: "learn"; readonly message: PassedAnnouncement };

/** What became of an announcement here. */
export type Fate = "stemmed" | "fluffed" | "spread" | "repeat";

export interface Routed {
  readonly fate: Fate;
  readonly effects: readonly Effect[];
}

const REPEAT: Routed = Object.freeze({ fate: "repeat", effects: Object.freeze([]) });

export class Router {
  readonly #random: Random;
  readonly #nonces = new NonceCache();
  readonly #failSafe = new FailSafe();
  readonly #recent = new Recent();

  constructor(random: Random) {
    this.#random = random;
  }

  /** How many are waited for, and how many are remembered. */
  get sizes(): { readonly waiting: number; readonly nonces: number } {
    return { waiting: this.#failSafe.size, nonces: this.#nonces.size };
  }

  /** True when it was not met before, in either phase. */
  isNew(nonce: string): boolean {
    return this.#nonces.phaseOf(nonce) === null;
  }

  /**
   * Sends an announcement of our own, or one for a neighbour that makes none. Its hop count begins by chance: from 0 it would tell
   * the first relay for certain that we are its maker.
   */
  originate(message: PassedAnnouncement, around: Around, nowMs: number): Routed {
    const hopCount = Math.floor(this.#random.unit() * MAX_HOPS);
    return this.#stem({ ...message, hopCount, fluff: false }, null, around, nowMs);
  }

  /** Takes an announcement that passed all checks, from a neighbour. */
  receive(message: PassedAnnouncement, from: PublicKey, around: Around, nowMs: number): Routed {
    const met = this.#nonces.phaseOf(message.nonce);
    if (message.fluff) return met === "fluff" ? REPEAT : this.#fluff(message, from, around, nowMs, "spread");
    // It went in a circle, or somebody sends it again. Had it been lost, the fail-safe would know.
    if (met !== null) return REPEAT;
    const stepped = { ...message, hopCount: Math.min(message.hopCount + 1, MAX_HOPS) };
    const ends = stepped.hopCount >= MAX_HOPS || this.#random.unit() < FLUFF_CHANCE;
    // Whoever handed it to us hears of it too: it waits for that.
    if (ends) return this.#fluff(stepped, null, around, nowMs, "fluffed");
    return this.#stem(stepped, from, around, nowMs);
  }

  /** Sends what a stem has swallowed; to be called when {@link nextAtMs} has come. */
  tick(around: Around, nowMs: number): Routed[] {
    return this.#failSafe.take(nowMs).flatMap(({ message, heldSinceMs }) => {
      const older = aged(message, nowMs - heldSinceMs);
      return older === null ? [] : [this.#fluff(older, null, around, nowMs, "fluffed")];
    });
  }

  nextAtMs(): number | null {
    return this.#failSafe.nextAtMs();
  }

  /**
   * A tunnel to a neighbour works that did not before: it may stand before others who have not heard what was said of late. In a
   * large mesh it has heard from elsewhere, so only some of the neighbours tell it.
   */
  welcome(newcomer: PublicKey, neighbours: number, nowMs: number): Effect[] {
    if (this.#random.unit() * neighbours > FLUFF_TO_ALL) return [];
    return this.#recent
      .newest(MOST_TO_NEWCOMER, nowMs)
      .filter(({ origin }) => origin !== newcomer)
      .map((message, index) => ({ type: "send", to: newcomer, message, delayMs: index * NEWCOMER_EVERY_MS }));
  }

  #stem(message: PassedAnnouncement, from: PublicKey | null, around: Around, nowMs: number): Routed {
    const relay = relayFor(message, from, around.relays);
    if (relay === null) return this.#fluff(message, null, around, nowMs, "fluffed");
    this.#nonces.note(message.nonce, "stem", nowMs);
    this.#failSafe.watch(message, nowMs, this.#random);
    return { fate: "stemmed", effects: [{ type: "send", to: relay, message, delayMs: 0 }] };
  }

  #fluff(
    message: PassedAnnouncement,
    except: PublicKey | null,
    { neighbours }: Around,
    nowMs: number,
    fate: Fate,
  ): Routed {
    this.#nonces.note(message.nonce, "fluff", nowMs);
    this.#failSafe.settle(message.nonce);
    // How long the stem was is nobody's business.
    const fluff = { ...message, hopCount: MAX_HOPS, fluff: true };
    this.#recent.add(fluff, nowMs);
    const others = neighbours.filter((neighbour) => neighbour !== except);
    const told = sample(others, fanOut(others.length), this.#random);
    const sends = told.map((to): Effect => {
      const delayMs = exponentialMs(MEAN_FLUFF_DELAY_MS, this.#random);
      return { type: "send", to, message: fluff, delayMs };
    });
    return { fate, effects: [{ type: "learn", message: fluff }, ...sends] };
  }
}

/** To how many of so many neighbours an announcement is sent in its fluff phase. */
export function fanOut(neighbours: number): number {
  return Math.max(FLUFF_TO_ALL, Math.ceil(Math.log2(neighbours + 1)) + SPARE_TELLINGS);
}

/** By the rule of PROTOCOL.md section 13, but neither back to where it came from nor to its origin, who know it. */
function relayFor(
  { hopCount, origin }: PassedAnnouncement,
  from: PublicKey | null,
  relays: readonly PublicKey[],
): PublicKey | null {
  for (let turn = 0; turn < relays.length; turn += 1) {
    const relay = relays[(hopCount + turn) % relays.length];
    if (relay !== undefined && relay !== from && relay !== origin) return relay;
  }
  return null;
}
