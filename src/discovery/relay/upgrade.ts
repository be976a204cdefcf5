/**
 * When a relayed pair goes direct, and when back. Pure: time comes in as an argument.
 *
 * WireGuard follows the source of the last packet, so both ends move together: the lower key proposes once the direct path has
 * answered for a while, the other end goes direct and accepts, then the first does the same. Each stops delivery from the relay: at once
 * where WireGuard would follow what is still on its way, and where it does not, once the other end has had the time to go direct too, so
 * that no packet is lost. For a minute the session stays, and checks go through the tunnel; without them both return to the relay.
 * Each return makes the next attempt wait longer, so that a path that comes and goes does not move the pair (weak point 20).
 */
import type { Endpoint } from "../../core/types.ts";
import type { SwitchStep } from "../../wire/relay.ts";

/** For this long a path has to answer, at least so many times, without a longer gap than that. */
const PROVE_MS = 10_000;
const PROVE_ANSWERS = 5;
const GAP_MS = 3_500;
/** The other end began to see answers at another time. */
const FOLLOW_ANSWERS = 3;

const PROPOSAL_MS = 5_000;
const PROPOSE_AGAIN_MS = 20_000;
const CHECK_EVERY_MS = 1_000;
/** Three checks lost. */
const LOST_MS = 3_500;
/** So long the other end may take to go direct too. */
const JOIN_MS = 2_000;
const SETTLED_MS = 60_000;
/** The end that does not check waits for the other to close the session. */
const SETTLED_EXTRA_MS = 15_000;

const FIRST_PAUSE_MS = 60_000;
const MAX_PAUSE_MS = 30 * 60_000;
/** A direct path that held for so long is not one that comes and goes. */
const HELD_MS = 10 * 60_000;

export type UpgradeEffect =
  | { readonly do: "say"; readonly step: SwitchStep }
  | { readonly do: "direct"; readonly endpoint: Endpoint }
  /** Nothing that comes through the relay is to be delivered any more. */
  | { readonly do: "shut" }
  | { readonly do: "relay" }
  /** The direct path has held: the session can go. */
  | { readonly do: "settled" };

interface Evidence {
  readonly endpoint: Endpoint;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly answers: number;
}

interface Trial {
  readonly sinceMs: number;
  heardMs: number;
  checkAtMs: number;
  /** What comes through the relay is still delivered. */
  delivers: boolean;
}

export class Upgrade {
  readonly #leads: boolean;
  readonly #empties: boolean;
  #evidence: Evidence | null = null;
  #proposedAtMs: number | null = null;
  #notBeforeMs = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #trial: Trial | null = null;
  #fellBackAtMs = Number.NEGATIVE_INFINITY;

  /** @param empties whether WireGuard here does not follow what comes out of a bridge after it was set to a direct path. */
  constructor(leads: boolean, empties: boolean) {
    this.#leads = leads;
    this.#empties = empties;
  }

  /** On the direct path, with the relay to fall back on. */
  get onTrial(): boolean {
    return this.#trial !== null;
  }

  /** A datagram went to the peer's endpoint and back. */
  answered(endpoint: Endpoint, nowMs: number): void {
    const before = this.#evidence;
    const goesOn =
      before !== null &&
      nowMs - before.lastMs <= GAP_MS &&
      before.endpoint.host === endpoint.host &&
      before.endpoint.port === endpoint.port;
    this.#evidence = goesOn
      ? { ...before, lastMs: nowMs, answers: before.answers + 1 }
      : { endpoint, firstMs: nowMs, lastMs: nowMs, answers: 1 };
  }

  /** The direct path shows no life: back to the relay at once, where one was kept. */
  failed(nowMs: number): UpgradeEffect[] {
    return this.#trial === null ? [] : this.#return(nowMs);
  }

  /** The other end is at the relay again. */
  calledBack(nowMs: number): UpgradeEffect[] {
    return this.#trial !== null && nowMs - this.#trial.sinceMs > JOIN_MS ? this.#return(nowMs) : [];
  }

  /** A direct path without a relay behind it was lost. The first time nothing is held against the next one. */
  fellBack(nowMs: number): void {
    if (this.isWary(nowMs)) this.#wait(nowMs);
    else this.#pauseMs = FIRST_PAUSE_MS;
    this.#fellBackAtMs = nowMs;
  }

  /** A direct path was lost lately, so the next loss counts for more. */
  isWary(nowMs: number): boolean {
    return nowMs - this.#fellBackAtMs < HELD_MS;
  }

  /** The relay is another one, or none: what was agreed on is void. */
  reset(): void {
    this.#proposedAtMs = null;
    this.#trial = null;
  }

  /** The other end's word. */
  heard(step: SwitchStep, nowMs: number): UpgradeEffect[] {
    switch (step) {
      case "propose":
        return this.#proposal(nowMs);
      case "accept":
        return this.#accepted(nowMs);
      case "refuse":
        this.#proposedAtMs = null;
        return [];
      case "check":
        if (this.#trial === null) return [];
        this.#trial.heardMs = nowMs;
        return [{ do: "say", step: "checked" }];
      case "checked":
        if (this.#trial !== null) this.#trial.heardMs = nowMs;
        return [];
    }
  }

  tick(nowMs: number): UpgradeEffect[] {
    const trial = this.#trial;
    if (trial === null) return this.#propose(nowMs);
    if (!trial.delivers || nowMs - trial.sinceMs < JOIN_MS) return this.#watch(trial, nowMs);
    trial.delivers = false;
    return [{ do: "shut" }, ...this.#watch(trial, nowMs)];
  }

  #propose(nowMs: number): UpgradeEffect[] {
    const evidence = this.#fresh(nowMs);
    if (!this.#leads || evidence === null || nowMs < this.#notBeforeMs) return [];
    if (nowMs - evidence.firstMs < PROVE_MS || evidence.answers < PROVE_ANSWERS) return [];
    this.#proposedAtMs = nowMs;
    this.#notBeforeMs = nowMs + PROPOSE_AGAIN_MS;
    return [{ do: "say", step: "propose" }];
  }

  #proposal(nowMs: number): UpgradeEffect[] {
    const evidence = this.#fresh(nowMs);
    // Said again: our word was lost.
    if (this.#trial !== null) return [{ do: "say", step: "accept" }];
    if (this.#leads || evidence === null || evidence.answers < FOLLOW_ANSWERS || nowMs < this.#notBeforeMs)
      return [{ do: "say", step: "refuse" }];
    return [...this.#go(evidence.endpoint, nowMs), { do: "say", step: "accept" }];
  }

  #accepted(nowMs: number): UpgradeEffect[] {
    const at = this.#proposedAtMs;
    const evidence = this.#evidence;
    this.#proposedAtMs = null;
    if (at === null || nowMs - at > PROPOSAL_MS || evidence === null || this.#trial !== null) return [];
    return this.#go(evidence.endpoint, nowMs);
  }

  #go(endpoint: Endpoint, nowMs: number): UpgradeEffect[] {
    const delivers = this.#empties;
    this.#trial = { sinceMs: nowMs, heardMs: nowMs, checkAtMs: nowMs, delivers };
    return delivers ? [{ do: "direct", endpoint }] : [{ do: "shut" }, { do: "direct", endpoint }];
  }

  #watch(trial: Trial, nowMs: number): UpgradeEffect[] {
    if (nowMs - trial.heardMs > LOST_MS) return this.#return(nowMs);
    if (nowMs - trial.sinceMs > SETTLED_MS + (this.#leads ? 0 : SETTLED_EXTRA_MS)) {
      this.#trial = null;
      return [{ do: "settled" }];
    }
    const checks = this.#leads && nowMs >= trial.checkAtMs && nowMs - trial.sinceMs < SETTLED_MS;
    if (!checks) {
      // Nobody checks any more in the time that is left.
      if (nowMs - trial.sinceMs >= SETTLED_MS - CHECK_EVERY_MS) trial.heardMs = nowMs;
      return [];
    }
    trial.checkAtMs = nowMs + CHECK_EVERY_MS;
    return [{ do: "say", step: "check" }];
  }

  #return(nowMs: number): UpgradeEffect[] {
    this.#trial = null;
    this.#evidence = null;
    this.#wait(nowMs);
    this.#fellBackAtMs = nowMs;
    return [{ do: "relay" }];
  }

  #wait(nowMs: number): void {
    this.#notBeforeMs = nowMs + this.#pauseMs;
    this.#pauseMs = Math.min(MAX_PAUSE_MS, this.#pauseMs * 2);
  }

  #fresh(nowMs: number): Evidence | null {
    return this.#evidence !== null && nowMs - this.#evidence.lastMs <= GAP_MS ? this.#evidence : null;
  }
}
