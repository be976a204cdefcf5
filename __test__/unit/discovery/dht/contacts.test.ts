import { describe, expect, test } from "vitest";
import { endpointText } from "../../../../src/core/types.ts";
import { DhtContacts } from "../../../../src/discovery/dht/contacts.ts";
import { DATAGRAMS_OF_HELLO } from "../../../../src/discovery/helloTable.ts";
import { seededRandom } from "../../support/seededRandom.ts";

const endpoint = (host: string, port = 52_000) => ({ host, port });
const real = endpoint("203.0.113.1");
/** One of 16 million addresses of nobody. */
const bogus = (index: number) => endpoint(`20.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`);

function contacts(seed = "contacts"): DhtContacts {
  const random = seededRandom(seed);
  return new DhtContacts(0, () => random.unit());
}

interface Asked {
  /** When each address was asked first. */
  readonly firstMs: Map<string, number>;
  readonly datagramsPerSecond: number[];
}

/** Takes whom to ask, ten times a second; `answers` come at the beginning of each second. */
function runFor(seconds: number, made: DhtContacts, answers: (second: number) => void): Asked {
  const asked: Asked = { firstMs: new Map(), datagramsPerSecond: [] };
  for (let second = 0; second < seconds; second += 1) {
    answers(second);
    let datagrams = 0;
    for (let ms = second * 1_000; ms < (second + 1) * 1_000; ms += 100) {
      for (const { to, brief } of made.take(ms)) {
        datagrams += DATAGRAMS_OF_HELLO[brief ? "brief" : "full"];
        const text = endpointText(to);
        asked.firstMs.set(text, Math.min(ms, asked.firstMs.get(text) ?? ms));
      }
    }
    asked.datagramsPerSecond.push(datagrams);
  }
  return asked;
}

describe("addresses found in the DHT", () => {
  test("are asked once, and again only after a while", () => {
    const made = contacts();
    made.found([real], 0);
    expect(made.take(0)).toEqual([{ to: real, door: "control", brief: false }]);
    const asked: number[] = [];
    for (let nowMs = 500; nowMs <= 600_000; nowMs += 500) {
      made.found([real], nowMs);
      if (made.take(nowMs).length > 0) asked.push(nowMs);
    }
    expect(asked).toEqual([5_000, 10_000, 25_000, 85_000, 145_000, 205_000, 505_000]);
  });

  test("nobody names any more are not asked again", () => {
    const made = contacts();
    made.found([real], 0);
    made.take(0);
    expect(made.nextAtMs(1)).toBe(Number.POSITIVE_INFINITY);
    expect(made.take(600_000)).toEqual([]);
  });

  test("wait for their time when they were named too early, and not when they have answered", () => {
    const made = contacts();
    made.found([real], 0);
    made.take(0);
    made.found([real], 1_000);
    expect(made.take(1_000)).toEqual([]);
    expect(made.nextAtMs(1_000)).toBe(5_000);
    expect(made.answered(real, "control")).toBe(true);
    expect(made.nextAtMs(1_000)).toBe(Number.POSITIVE_INFINITY);
    expect(made.answered(endpoint("203.0.113.7"), "control")).toBe(false);
  });

  test("that no host can have are left out", () => {
    const made = contacts();
    const bad = [
      "0.0.0.0",
      "127.0.0.1",
      "224.0.0.1",
      "169.254.1.1",
      "255.255.255.255",
      "::1",
      "fe80::1",
      "x",
    ];
    const named = [...bad.map((host) => endpoint(host)), endpoint("203.0.113.1", 0)];
    expect(made.found(named, 0)).toBe(0);
    expect(made.size).toBe(0);
  });

  test.each([1, 6, 44])("a real one beside %i liars, with 10,000 lies, is asked soon", (liars) => {
    for (const seed of ["a", "b", "c", "d", "e"]) {
      const made = contacts(seed);
      const chance = seededRandom(`${seed} lies`);
      const lies = () =>
        Array.from({ length: Math.ceil(10_000 / liars) }, () =>
          bogus(Math.floor(chance.unit() * 2 ** 24)),
        ).slice(0, 230);
      const { firstMs, datagramsPerSecond } = runFor(30, made, (second) => {
        // The rounds of look-ups; honest nodes learn of the other one after a while.
        if (![0, 1, 2, 4, 8, 15].includes(second)) return;
        const answers = Array.from({ length: liars }, lies);
        if (second > 1) answers.splice(Math.floor(chance.unit() * liars), 0, [real], [real], [real]);
        for (const answer of answers) made.found(answer, second * 1_000);
      });
      expect(firstMs.get(endpointText(real))).toBeLessThanOrEqual(10_000);
      // Whoever they are, many are asked in that time, and none of them often.
      expect(firstMs.size).toBeGreaterThan(150);
      expect(Math.max(...datagramsPerSecond)).toBeLessThanOrEqual(120 + 60);
      expect(datagramsPerSecond.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(120 + 30 * 60);
    }
  });

  test("a real one that honest nodes name among a hundred others is asked within half a minute", () => {
    // 500 are announced, as many as a node keeps, and each node tells a hundred of them.
    for (const seed of ["a", "b", "c"]) {
      const made = contacts(seed);
      const chance = seededRandom(`${seed} names`);
      const all = [real, ...Array.from({ length: 499 }, (_, index) => bogus(index))];
      const some = () => all.filter(() => chance.unit() < 0.2);
      const { firstMs } = runFor(30, made, (second) => {
        if (![0, 1, 2, 4, 8, 15].includes(second)) return;
        for (let node = 0; node < 6; node += 1) made.found(some(), second * 1_000);
      });
      expect(firstMs.get(endpointText(real))).toBeLessThanOrEqual(30_000);
    }
  });

  test("a real one is found again after it was lost among lies", () => {
    const made = contacts();
    let next = 0;
    const lies = () => Array.from({ length: 230 }, () => bogus(next++));
    const again: number[] = [];
    for (let nowMs = 0; nowMs < 60_000; nowMs += 100) {
      if (nowMs % 2_000 === 0) for (const answer of [lies(), lies(), [real]]) made.found(answer, nowMs);
      if (made.take(nowMs).some(({ to }) => to === real || to.host === real.host)) again.push(nowMs);
    }
    expect(again.length).toBeGreaterThanOrEqual(4);
    expect(made.size).toBeLessThanOrEqual(4_096);
  });

  test("ten thousand ports of one victim are sixteen at most, and asked four in five seconds", () => {
    const made = contacts();
    const answers = Array.from({ length: 100 }, (_, index) =>
      Array.from({ length: 100 }, (_, port) => endpoint("203.0.113.9", 1 + index * 100 + port)),
    );
    const { firstMs, datagramsPerSecond } = runFor(20, made, (second) => {
      for (const answer of answers) made.found(answer, second * 1_000);
    });
    expect(made.size).toBe(16);
    expect(firstMs.size).toBeGreaterThan(4);
    for (let second = 0; second + 5 <= 20; second += 1) {
      const ofFive = datagramsPerSecond.slice(second, second + 5).reduce((sum, count) => sum + count);
      expect(ofFive).toBeLessThanOrEqual(2 * 4 * DATAGRAMS_OF_HELLO.full);
    }
  });
});
