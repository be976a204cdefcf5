import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PublicKey } from "../../../src/core/types.ts";
import { orderRelays } from "../../../src/discovery/relay/choice.ts";
import { RelayPair } from "../../../src/discovery/relay/pair.ts";
import type { PairEffect, PairFacts } from "../../../src/discovery/relay/pairFacts.ts";
import { testKey } from "./memoryMesh.ts";

const [LOWER, HIGHER] = [testKey("a"), testKey("b")].sort() as [PublicKey, PublicKey];
const RELAYS = ["r1", "r2", "r3", "r4", "r5"].map(testKey);

const facts = (change: Partial<PairFacts> = {}): PairFacts => ({
  handshakeAgeMs: Number.POSITIVE_INFINITY,
  heardAgoMs: 0,
  ...{ hopeless: false, onLan: false, forced: false, relays: RELAYS },
  hasRelays: (change.relays ?? RELAYS).length > 0,
  traffic: () => null,
  ...change,
});
const kinds = (effects: readonly PairEffect[]): string[] => effects.map((effect) => effect.do);

describe("the order of relays", () => {
  test("is the same for both ends, whatever the order in which they know them", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(RELAYS), (known) => {
        const mine = orderRelays(LOWER, HIGHER, known);
        expect(orderRelays(HIGHER, LOWER, [...known].reverse())).toEqual(mine);
        // Who is missing moves no other.
        expect(mine).toEqual(orderRelays(LOWER, HIGHER, RELAYS).filter((relay) => known.includes(relay)));
      }),
    );
  });

  test("spreads pairs over the relays", () => {
    const firsts = Array.from(
      { length: 200 },
      (_, index) => orderRelays(LOWER, testKey(`n${index}`), RELAYS)[0],
    );
    for (const relay of RELAYS) expect(firsts.filter((first) => first === relay).length).toBeGreaterThan(15);
  });
});

describe("RelayPair", () => {
  test.each([
    [false, 5_000],
    [true, 12_000],
  ])(
    "lets direct handshakes have the first chance, on a LAN a longer one (on a LAN: %j)",
    (onLan, patienceMs) => {
      const pair = new RelayPair(LOWER, HIGHER);
      const asks = (nowMs: number): boolean => kinds(pair.tick(facts({ onLan }), nowMs)).includes("ask");
      expect([1_000, 1_000 + patienceMs - 1, 1_000 + patienceMs].map(asks)).toEqual([false, false, true]);
    },
  );

  test.each([
    [
      ["s1", "s2"],
      ["s1", "s2"],
    ],
    [
      ["s1", "s2"],
      ["s2", "s1"],
    ],
    [
      ["s2", "s1"],
      ["s1", "s2"],
    ],
    [
      ["s2", "s1"],
      ["s2", "s1"],
    ],
  ])("both ends that asked at once end on one session (verified %j here, %j there)", (here, there) => {
    const ends = [
      { pair: new RelayPair(LOWER, HIGHER), order: here },
      { pair: new RelayPair(HIGHER, LOWER), order: there },
    ];
    for (const { pair, order } of ends) {
      pair.tick(facts(), 0);
      pair.opened("s1", testKey("r1"), LOWER, 100);
      pair.opened("s2", testKey("r2"), HIGHER, 120);
      for (const [index, id] of order.entries()) pair.echoed(id, true, 200 + index * 50);
    }
    for (const { pair } of ends) {
      for (let nowMs = 1_000; nowMs <= 8_000; nowMs += 1_000) {
        pair.tick(facts(), nowMs);
        if (pair.active) pair.echoed(pair.active.id, true, nowMs);
      }
      expect(pair.active?.id).toBe("s1");
      expect(pair.size).toBe(1);
    }
  });

  test("the lower key asks after 5 s, the other after 10 s more", () => {
    for (const [own, peer, firstMs] of [
      [LOWER, HIGHER, 5_000],
      [HIGHER, LOWER, 15_000],
    ] as const) {
      const pair = new RelayPair(own, peer);
      pair.tick(facts(), 0);
      expect(kinds(pair.tick(facts(), firstMs - 1))).not.toContain("ask");
      expect(kinds(pair.tick(facts(), firstMs))).toContain("ask");
    }
  });

  test("asks each relay once a round, the next when one refuses or is silent, then pauses ever longer", () => {
    const pair = new RelayPair(LOWER, HIGHER);
    const asked: { relay: PublicKey; atMs: number }[] = [];
    for (let nowMs = 0; nowMs < 300_000; nowMs += 250) {
      for (const effect of pair.tick(facts({ relays: RELAYS.slice(0, 2) }), nowMs)) {
        if (effect.do !== "ask") continue;
        asked.push({ relay: effect.relay, atMs: nowMs });
        if (effect.relay === RELAYS[0]) pair.refused(effect.relay, "full");
      }
    }
    expect(asked.slice(0, 2).map(({ relay }) => relay)).toEqual(RELAYS.slice(0, 2));
    const rounds = asked.filter(({ relay }) => relay === RELAYS[0]).map(({ atMs }) => atMs);
    expect(rounds.length).toBeGreaterThan(4);
    expect(rounds.length).toBeLessThan(9);
    const pauses = rounds.slice(1).map((atMs, index) => atMs - (rounds[index] ?? 0));
    expect(pauses).toEqual([...pauses].sort((x, y) => x - y));
  });

  test("an offer that was not asked for in our name is none", () => {
    const pair = new RelayPair(LOWER, HIGHER);
    pair.tick(facts(), 0);
    expect(pair.wants("s1", testKey("r1"), LOWER, 100)).toBe(false);
    expect(pair.wants("s1", testKey("r1"), testKey("third"), 100)).toBe(false);
    expect(pair.wants("s1", testKey("r1"), HIGHER, 100)).toBe(true);
  });

  test("a session in use is asked only when what is sent goes unanswered, and given up after four echoes", () => {
    const pair = new RelayPair(LOWER, HIGHER);
    let sent = 0;
    const now = (received: number): PairFacts =>
      facts({ traffic: () => ({ rxPackets: received, txPackets: sent }) });
    pair.tick(now(0), 0);
    pair.opened("s1", testKey("r1"), HIGHER, 0);
    pair.echoed("s1", true, 10);
    for (let second = 1; second <= 20; second += 1) {
      sent += 10;
      expect(kinds(pair.tick(now(second), second * 1_000))).toEqual([]);
    }
    // Both at rest: nothing is sent for half a minute.
    for (let second = 21; second < 50; second += 1)
      expect(kinds(pair.tick(now(20), second * 1_000))).toEqual([]);
    sent += 1;
    const told = new Map<number, string[]>();
    for (let second = 50; second <= 56; second += 1)
      told.set(second, kinds(pair.tick(now(20), second * 1_000)));
    expect([...told.values()].flat().filter((kind) => kind === "echo")).toHaveLength(4);
    expect([...told.values()].flat()).toEqual(expect.arrayContaining(["close", "direct", "ask"]));
  });

  describe("after the direct path has gone silent", () => {
    const connected = facts({ handshakeAgeMs: 30_000 });

    test("the lower key asks as soon as a punch had its chance, the other end little later", () => {
      for (const [own, peer, firstMs] of [
        [LOWER, HIGHER, 700],
        [HIGHER, LOWER, 2_200],
      ] as const) {
        const pair = new RelayPair(own, peer);
        expect(kinds(pair.tick(connected, 0))).toEqual([]);
        pair.silent(1_000);
        expect(kinds(pair.tick(connected, 1_000 + firstMs - 1))).toEqual([]);
        expect(kinds(pair.tick(connected, 1_000 + firstMs))).toEqual(["ask"]);
      }
    });

    test("nobody asks when it works after all", () => {
      const pair = new RelayPair(LOWER, HIGHER);
      pair.silent(1_000);
      pair.heard(1_500);
      for (let nowMs = 1_600; nowMs < 30_000; nowMs += 500)
        expect(kinds(pair.tick(connected, nowMs))).toEqual([]);
    });

    test("it is trusted again at once the first time, and later the next", () => {
      const pair = new RelayPair(LOWER, HIGHER);
      const direct = { host: "203.0.113.9", port: 51_820 };
      const waits: number[] = [];
      let nowMs = 0;
      for (const id of ["s1", "s2", "s3"]) {
        pair.silent(nowMs);
        pair.opened(id, testKey("r1"), LOWER, nowMs + 1_000);
        pair.echoed(id, true, nowMs + 1_100);
        const relayedAtMs = nowMs;
        const effects: PairEffect[] = [];
        while (!effects.some((effect) => effect.do === "switch" && effect.step === "propose")) {
          nowMs += 1_000;
          pair.echoed(id, true, nowMs);
          pair.punchAnswered(direct, nowMs);
          effects.push(...pair.tick(connected, nowMs));
        }
        waits.push(nowMs - relayedAtMs);
        pair.switched(id, "accept", false, nowMs);
        for (const endMs = nowMs + 65_000; nowMs < endMs; nowMs += 1_000) {
          pair.switched(id, "checked", false, nowMs);
          pair.tick(connected, nowMs);
        }
        expect(pair.size).toBe(0);
      }
      expect(waits[0]).toBeLessThan(15_000);
      expect(waits[1]).toBeGreaterThanOrEqual(60_000);
      expect(waits[2]).toBeGreaterThanOrEqual(120_000);
    });
  });

  test("a relay that the other end took in place of a dead one is used at once", () => {
    const pair = new RelayPair(HIGHER, LOWER);
    pair.tick(facts(), 0);
    pair.opened("a", testKey("r1"), LOWER, 100);
    pair.echoed("a", true, 200);
    // The handshake went through that relay.
    const handshake = facts({ handshakeAgeMs: 1_000 });
    pair.opened("b", testKey("r2"), LOWER, 5_000);
    expect(kinds(pair.tick(handshake, 5_001))).not.toContain("close");
    pair.echoed("b", true, 5_100);
    expect(pair.active?.id).toBe("b");
  });

  test("no turn without work follows another within 50 ms, whatever happens between them", () => {
    const happening = fc.constantFrom(
      ...(["rest", "sent", "received", "offer", "relay", "question", "close", "silent", "heard"] as const),
      ...(["goDirect", "checked", "handshake", "refuse"] as const),
    );
    const story = fc.array(fc.tuple(happening, fc.integer({ min: 1, max: 20_000 })), { maxLength: 40 });
    fc.assert(
      fc.property(fc.boolean(), fc.boolean(), story, (leads, forced, happenings) => {
        const [own, peer] = leads ? [LOWER, HIGHER] : [HIGHER, LOWER];
        const pair = new RelayPair(own, peer);
        const traffic = { rxPackets: 0, txPackets: 0 };
        let [nowMs, handshakeMs, offers] = [0, Number.NEGATIVE_INFINITY, 0];
        const known = (): PairFacts =>
          facts({ forced, handshakeAgeMs: nowMs - handshakeMs, traffic: () => ({ ...traffic }) });
        const happens: Record<(typeof happenings)[number][0], (id: string) => void> = {
          rest: () => {},
          sent: () => (traffic.txPackets += 1),
          received: () => (traffic.rxPackets += 1),
          offer: () => {
            const id = `s${offers}`;
            if (!pair.wants(id, testKey("r1"), peer, nowMs)) return;
            pair.opened(id, testKey("r1"), peer, nowMs);
            offers += 1;
          },
          relay: () => {
            happens.offer("");
            pair.echoed(`s${offers - 1}`, true, nowMs);
          },
          question: (id) => pair.echoed(id, false, nowMs),
          close: (id) => pair.closed(id, nowMs),
          silent: () => pair.silent(nowMs),
          heard: () => pair.heard(nowMs),
          goDirect: (id) => {
            // For as long as it takes to be believed.
            for (let times = 0; times < 12; times += 1, nowMs += 1_000) {
              pair.punchAnswered({ host: "203.0.113.9", port: 51_820 }, nowMs);
              pair.tick(known(), nowMs);
            }
            for (const step of ["propose", "accept"] as const) pair.switched(id, step, forced, nowMs);
          },
          checked: (id) => pair.switched(id, "checked", forced, nowMs),
          handshake: () => (handshakeMs = nowMs),
          refuse: () => pair.refused(testKey("r1"), "full"),
        };
        for (const [what, forMs] of happenings) {
          happens[what](pair.active?.id ?? `s${offers - 1}`);
          let restedAtMs = Number.NEGATIVE_INFINITY;
          for (const endMs = nowMs + forMs; nowMs < endMs; nowMs = pair.nextAtMs(known(), nowMs)) {
            if (pair.tick(known(), nowMs).length > 0) continue;
            expect(nowMs - restedAtMs).toBeGreaterThanOrEqual(50);
            restedAtMs = nowMs;
          }
        }
      }),
      // On trial, what the relay's session has due is not done.
      {
        examples: [
          [
            false,
            false,
            [
              ["relay", 12_501],
              ["goDirect", 60_000],
            ],
          ],
        ],
        numRuns: 500,
      },
    );
  });

  describe("going direct", () => {
    const direct = { host: "203.0.113.9", port: 51_820 };

    /** What each end of a relayed pair does, from the proposal on: time and effect. */
    function bothGoDirect(empties: boolean): Record<"leads" | "follows", [number, PairEffect][]> {
      const [leads, follows] = [new RelayPair(LOWER, HIGHER, empties), new RelayPair(HIGHER, LOWER, empties)];
      const done = { leads: [] as [number, PairEffect][], follows: [] as [number, PairEffect][] };
      for (const pair of [leads, follows]) {
        pair.opened("s1", testKey("r1"), LOWER, 0);
        pair.echoed("s1", true, 100);
      }
      let acceptedAtMs = Number.POSITIVE_INFINITY;
      for (let nowMs = 1_000; nowMs < 20_000; nowMs += 500) {
        for (const pair of [leads, follows]) {
          pair.echoed("s1", true, nowMs);
          pair.punchAnswered(direct, nowMs);
        }
        // The answer is a second late.
        const accepted = nowMs >= acceptedAtMs + 1_000 ? leads.switched("s1", "accept", false, nowMs) : [];
        if (accepted.length > 0) acceptedAtMs = Number.POSITIVE_INFINITY;
        const led = [...accepted, ...leads.tick(facts(), nowMs)];
        const proposed = led.some((effect) => effect.do === "switch" && effect.step === "propose");
        const followed = [
          ...(proposed ? follows.switched("s1", "propose", false, nowMs) : []),
          ...follows.tick(facts(), nowMs),
        ];
        if (proposed) acceptedAtMs = nowMs;
        done.leads.push(...led.map((effect): [number, PairEffect] => [nowMs, effect]));
        done.follows.push(...followed.map((effect): [number, PairEffect] => [nowMs, effect]));
      }
      return done;
    }

    const atMs = (effects: readonly [number, PairEffect][], is: (effect: PairEffect) => boolean): number =>
      effects.find(([, effect]) => is(effect))?.[0] ?? Number.NaN;
    const goes = (effect: PairEffect): boolean => effect.do === "direct" && effect.endpoint === direct;
    const shuts = (effect: PairEffect): boolean => effect.do === "deliver" && !effect.on;

    test("each end takes what is left in the bridge until the other has gone direct too", () => {
      const { leads, follows } = bothGoDirect(true);
      expect(atMs(leads, goes)).toBe(atMs(follows, goes) + 1_000);
      expect(atMs(follows, shuts)).toBe(atMs(follows, goes) + 2_000);
      expect(atMs(leads, shuts)).toBe(atMs(leads, goes) + 2_000);
      for (const end of [leads, follows]) expect(end.filter(([, effect]) => shuts(effect))).toHaveLength(1);
    });

    test("at once where WireGuard would follow it back", () => {
      for (const end of Object.values(bothGoDirect(false))) expect(atMs(end, shuts)).toBe(atMs(end, goes));
    });
  });

  test("who is not heard by anybody since it was lost is silent; who is heard is out of reach", () => {
    for (const [heardAgoMs, what] of [
      [16_500, "silent"],
      [3_000, "impossible"],
    ] as const) {
      const pair = new RelayPair(LOWER, HIGHER);
      const known = facts({ handshakeAgeMs: 60_000, heardAgoMs, relays: [] });
      pair.silent(0);
      expect(kinds(pair.tick(known, 16_000))).toEqual([what]);
    }
  });
});
