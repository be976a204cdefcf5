import { expect, test } from "vitest";
import { MendPacer } from "../../../src/mesh/mendPacer.ts";
import { ManualClock } from "../support/manualClock.ts";

const settings = { free: 3, firstPauseMs: 1_000, maxPauseMs: 8_000, quietMs: 60_000 };

/** Mends whenever it may during `forMs`, as something that is undone at once; the times at which it did. */
function mendings(pacer: MendPacer, clock: ManualClock, forMs: number): number[] {
  const times: number[] = [];
  for (let ms = 0; ms < forMs; ms += 100) {
    if (!pacer.isPaused("link")) {
      pacer.mended("link");
      times.push(ms);
    }
    clock.advance(100);
  }
  return times;
}

test("a few times at once, then after pauses that double up to a bound", () => {
  const clock = new ManualClock();
  const pacer = new MendPacer(clock, settings);
  expect(mendings(pacer, clock, 40_000)).toEqual([
    0, 100, 200, 1_200, 3_200, 7_200, 15_200, 23_200, 31_200, 39_200,
  ]);
});

test("each thing has its own pauses; one that was left alone is new again", () => {
  const clock = new ManualClock();
  const pacer = new MendPacer(clock, settings);
  for (let time = 0; time < 3; time += 1) pacer.mended("link");
  expect(pacer.isPaused("link")).toBe(true);
  expect(pacer.isPaused("mtu")).toBe(false);
  expect(pacer.contests()).toEqual([{ object: "link", times: 3, retryInMs: 1_000 }]);
  expect(pacer.nextAtMs()).toBe(clock.monotonicMs() + 1_000);
  clock.advance(1_000);
  expect(pacer.isPaused("link")).toBe(false);
  expect(pacer.nextAtMs()).toBeNull();
  expect(pacer.contests()).toEqual([{ object: "link", times: 3, retryInMs: 0 }]);
  clock.advance(60_001);
  expect(pacer.contests()).toEqual([]);
  pacer.mended("link");
  expect(pacer.isPaused("link")).toBe(false);
});
