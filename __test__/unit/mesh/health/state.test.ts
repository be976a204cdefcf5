import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ANSWER_WITHIN_MS,
  COOL_MS,
  EVICT_MS,
  type HealthEffect,
  type HealthEvent,
  isOut,
  newHealth,
  nextAtMs,
  type PeerHealth,
  rulesFor,
  STALE_MS,
  stepHealth,
} from "../../../../src/mesh/health/state.ts";

const WALL_MS = 1_767_225_600_000;
const rules = rulesFor(false, 4);

/** A peer on a clock: each second it is read and time passes; questions are answered, or are not. */
class Life {
  nowMs = 0;
  peer: PeerHealth = newHealth(
    { type: "read", handshakeMs: WALL_MS, handshakeAgeMs: 0, rxBytes: 0 },
    0,
    rules,
  );
  answers = true;
  /** A handshake every two minutes, as WireGuard does. */
  shakes = true;
  rxBytes = 0;
  rxEachSecond = 0;
  readonly told: [atMs: number, effect: HealthEffect][] = [];
  #answerAtMs: number | null = null;
  #handshakeMs = WALL_MS;

  give(event: HealthEvent): HealthEffect[] {
    const { peer, effects } = stepHealth(this.peer, event, this.nowMs, rules);
    this.peer = peer;
    for (const effect of effects) {
      if (effect === "ask") this.#answerAtMs = this.nowMs + (this.answers ? 0 : ANSWER_WITHIN_MS);
      else this.told.push([this.nowMs, effect]);
    }
    return [...effects];
  }

  pass(ms: number): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; ) {
      this.nowMs += 100;
      if (this.#answerAtMs !== null && this.nowMs >= this.#answerAtMs) {
        this.#answerAtMs = null;
        this.give({ type: this.answers ? "answered" : "unanswered" });
      }
      if (this.nowMs % 1_000 === 0) this.read();
      this.give({ type: "time" });
    }
  }

  read(): void {
    if (isOut(this.peer)) return void this.give({ type: "absent" });
    const wallMs = WALL_MS + this.nowMs;
    if (this.shakes && wallMs - this.#handshakeMs >= 120_000) this.#handshakeMs = wallMs;
    this.rxBytes += this.rxEachSecond;
    this.give({
      type: "read",
      handshakeMs: this.#handshakeMs,
      handshakeAgeMs: wallMs - this.#handshakeMs,
      rxBytes: this.rxBytes,
    });
  }

  shake(): void {
    this.nowMs += 100;
    this.#handshakeMs = WALL_MS + this.nowMs;
    this.read();
  }

  die(): void {
    this.answers = false;
    this.shakes = false;
    this.rxEachSecond = 0;
  }

  firstMs(effect: HealthEffect): number {
    return this.told.find(([, told]) => told === effect)?.[0] ?? Number.POSITIVE_INFINITY;
  }
}

describe("a peer that", () => {
  test("is well stays healthy, and is asked a few times a minute", () => {
    const life = new Life();
    let asked = 0;
    for (let second = 0; second < 600; second += 1) {
      const before = life.peer.provenAtMs;
      life.pass(1_000);
      if (life.peer.provenAtMs !== before) asked += 1;
    }
    expect(life.told).toEqual([]);
    expect(asked).toBeGreaterThan(20);
    expect(asked).toBeLessThan(40);
  });

  test("dies is suspect, reconnecting, evicted, cooling and forgotten, in this order and in time", () => {
    const life = new Life();
    life.pass(60_000);
    life.die();
    const diedMs = life.nowMs;
    life.pass(240_000);
    expect(life.firstMs("suspect") - diedMs).toBeLessThanOrEqual(30_000);
    expect(life.firstMs("evict") - diedMs).toBeLessThanOrEqual(240_000);
    expect(life.peer.state).toBe("cooling");
    const order = life.told.map(([, effect]) => effect).filter((e) => e !== "look" && e !== "try");
    expect(order).toEqual(["suspect", "reconnecting", "evict"]);
    expect(life.firstMs("look")).toBe(life.firstMs("reconnecting") + 100);
    life.pass(COOL_MS);
    expect(life.told.at(-1)?.[1]).toBe("forget");
  });

  test("sends something all the time is asked all the same", () => {
    const life = new Life();
    life.rxEachSecond = 100;
    life.pass(10_000);
    expect(life.peer.answers).toBe(true);
  });

  test("is back is healthy with its first answer", () => {
    const life = new Life();
    life.pass(30_000);
    life.die();
    life.pass(60_000);
    expect(life.peer.state).toBe("reconnecting");
    life.answers = true;
    life.pass(2_500);
    expect(life.peer.state).toBe("healthy");
    expect(life.told.at(-1)?.[1]).toBe("recovered");
  });

  test("sends but hears nothing is not saved by what comes from it (one direction is blocked)", () => {
    const life = new Life();
    life.pass(60_000);
    life.die();
    life.rxEachSecond = 148;
    life.pass(30_000);
    expect(["suspect", "reconnecting"]).toContain(life.peer.state);
    life.pass(210_000);
    expect(life.firstMs("evict")).toBeLessThanOrEqual(300_000);
  });

  test("never answered a question is judged by its handshakes alone: a firewall may be in the way", () => {
    const life = new Life();
    life.answers = false;
    life.pass(1_800_000);
    expect(life.told).toEqual([]);
    life.die();
    const diedMs = life.nowMs;
    life.pass(240_000);
    expect(life.firstMs("suspect") - diedMs).toBeLessThanOrEqual(STALE_MS);
    expect(life.firstMs("evict") - diedMs).toBeLessThanOrEqual(240_000);
  });

  test("asks us needs not be asked", () => {
    const life = new Life();
    life.shakes = false;
    life.pass(10_000);
    let asked = 0;
    for (let round = 0; round < 20; round += 1) {
      life.nowMs += 15_000;
      asked += life.give({ type: "time" }).filter((effect) => effect === "ask").length;
      life.give({ type: "asked" });
    }
    expect(asked).toBe(0);
    expect(life.told).toEqual([]);
  });

  test("was evicted comes back by its own word and a handshake; no answer that is late brings it back", () => {
    const life = new Life();
    life.pass(60_000);
    life.die();
    life.pass(240_000);
    for (const type of ["answered", "asked", "silent"] as const) expect(life.give({ type })).toEqual([]);
    expect(life.peer.state).toBe("cooling");
    expect(life.give({ type: "word" })).toEqual(["readmitted"]);
    expect(life.peer.state).toBe("reconnecting");
    life.shake();
    expect(life.peer.state).toBe("healthy");
  });

  test("says goodbye is out at once, from any state", () => {
    for (const ms of [0, 28_000, 60_000, 240_000]) {
      const life = new Life();
      life.pass(60_000);
      life.die();
      life.pass(ms);
      life.give({ type: "goodbye" });
      expect(life.peer.state).toBe("cooling");
    }
  });

  test("does not answer what is sent to it is asked at once", () => {
    const life = new Life();
    life.pass(10_000);
    life.die();
    life.give({ type: "silent" });
    life.pass(3_000);
    expect(life.peer.state).toBe("suspect");
  });
});

test("a node that slept blames nobody for it", () => {
  const life = new Life();
  life.pass(60_000);
  life.nowMs += 3_600_000;
  life.give({ type: "slept", durationMs: 3_600_000 });
  life.give({ type: "missed" });
  life.pass(10_000);
  expect(life.told).toEqual([]);
  expect(life.peer.state).toBe("healthy");
});

test("of two the one with the lower key asks first, however many there are, and those in trouble are asked the less the more they are", () => {
  for (const peers of [4, 20, 21, 1_000]) {
    for (const chance of [0, 0.999]) {
      const first = rulesFor(true, peers, 0, chance).quietMs;
      expect(rulesFor(false, peers, 0, chance).quietMs - first).toBeGreaterThanOrEqual(2_500);
      expect(first).toBeGreaterThanOrEqual(15_000);
    }
  }
  expect(rulesFor(true, 20, 0, 0.9)).toEqual(rulesFor(true, 4));
  expect(rulesFor(true, 100, 99).askAgainMs).toBe(4_950);
});

type Doing =
  | { readonly do: "answer" | "be silent" | "shake" | "speak" | "leave" | "ask" }
  | { readonly do: "pass"; readonly ms: number };

const doings = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 100, max: 90_000 }) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom("answer", "be silent", "shake", "speak", "leave", "ask"),
      }) as fc.Arbitrary<Doing>,
    },
  ),
  { maxLength: 25 },
) as fc.Arbitrary<Doing[]>;

function live(life: Life, doing: Doing): void {
  if (doing.do === "pass") life.pass(doing.ms);
  if (doing.do === "answer") life.answers = true;
  if (doing.do === "be silent") life.die();
  if (doing.do === "shake" && !isOut(life.peer)) life.shake();
  if (doing.do === "speak") life.give({ type: "word" });
  if (doing.do === "leave") life.give({ type: "goodbye" });
  if (doing.do === "ask") life.give({ type: "asked" });
}

describe("whatever happens,", () => {
  test("a fresh handshake wins at once, and nobody is evicted within 210 s of a proof", () => {
    fc.assert(
      fc.property(doings, (all) => {
        const life = new Life();
        for (const doing of all) {
          const before = life.peer;
          live(life, doing);
          if (doing.do === "shake" && !isOut(before)) expect(life.peer.state).toBe("healthy");
          if (life.peer.state === "evicted") {
            expect(life.peer.sinceMs - life.peer.provenAtMs).toBeGreaterThanOrEqual(EVICT_MS);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  test("who is silent from then on is out 240 s later, and stays out until it speaks", () => {
    fc.assert(
      fc.property(doings, (all) => {
        const life = new Life();
        for (const doing of all) live(life, doing);
        life.die();
        life.pass(240_000);
        expect(isOut(life.peer)).toBe(true);
        life.give({ type: "answered" });
        life.pass(60_000);
        expect(isOut(life.peer)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  test("time has always something to come, so nobody is forgotten half way", () => {
    fc.assert(
      fc.property(doings, (all) => {
        const life = new Life();
        for (const doing of all) {
          live(life, doing);
          const { peer } = life;
          if (peer.state !== "evicted" && !peer.asking)
            expect(nextAtMs(peer)).toBeLessThan(life.nowMs + 600_001);
        }
      }),
      { numRuns: 200 },
    );
  });
});
