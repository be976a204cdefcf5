import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { WorkTurns } from "../../../src/core/workTurns.ts";
import { ManualClock } from "../support/manualClock.ts";

/** Work that takes some milliseconds of the clock, and leaves its number behind. */
function worker(clock: ManualClock): { done: number[]; work: (number: number, ms: number) => () => void } {
  const done: number[] = [];
  return {
    done,
    work: (number, ms) => () => {
      clock.advance(ms);
      done.push(number);
    },
  };
}

describe("WorkTurns", () => {
  test("does a little at once, and the rest of a burst in turns, each with a pause before it", () => {
    const clock = new ManualClock();
    const { done, work } = worker(clock);
    const turns = new WorkTurns(clock, 10, 100);
    for (let number = 0; number < 5; number += 1) expect(turns.take(work(number, 6))).toBe(true);
    expect(done).toEqual([0, 1]);
    expect(turns.size).toBe(3);
    clock.advance(1);
    expect(done).toEqual([0, 1, 2, 3]);
    clock.advance(20);
    expect(done).toEqual([0, 1, 2, 3, 4]);
    expect(clock.pendingTimers).toBe(0);
  });

  test("what comes apart is done at once, however much of it there was", () => {
    const clock = new ManualClock();
    const { done, work } = worker(clock);
    const turns = new WorkTurns(clock, 10, 100);
    for (let number = 0; number < 5; number += 1) {
      turns.take(work(number, 12));
      clock.advance(1);
    }
    expect(done).toEqual([0, 1, 2, 3, 4]);
    expect(clock.pendingTimers).toBe(0);
  });

  test("what others do between two pieces of work is of the turn, until the event loop has gone round", () => {
    let nowMs = 0;
    const timers: (() => void)[] = [];
    const after = (_: number, callback: () => void): (() => void) => {
      timers.push(callback);
      return () => {};
    };
    const turns = new WorkTurns({ wallMs: () => nowMs, monotonicMs: () => nowMs, after }, 10, 100);
    const done: number[] = [];
    for (let number = 0; number < 4; number += 1) {
      turns.take(() => {
        nowMs += 1;
        done.push(number);
      });
      nowMs += 5;
    }
    expect(done).toEqual([0, 1]);
    while (turns.size > 0) for (const fire of timers.splice(0)) fire();
    expect(done).toEqual([0, 1, 2, 3]);
  });

  test("takes no more than may wait", () => {
    const clock = new ManualClock();
    const { done, work } = worker(clock);
    const turns = new WorkTurns(clock, 10, 2);
    const taken = [0, 1, 2, 3, 4].map((number) => turns.take(work(number, 20)));
    expect(taken).toEqual([true, true, true, false, false]);
    clock.advance(100);
    expect(done).toEqual([0, 1, 2]);
  });

  test("whatever comes when, all that was taken is done once, in order, and none waits for ever", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat({ max: 30 }), fc.nat({ max: 3 })), { maxLength: 60 }), (comes) => {
        const clock = new ManualClock();
        const { done, work } = worker(clock);
        const turns = new WorkTurns(clock, 10, 20);
        const taken = comes.flatMap(([ms, pauseMs], number) => {
          clock.advance(pauseMs);
          return turns.take(work(number, ms)) ? [number] : [];
        });
        clock.advance(10_000);
        expect(done).toEqual(taken);
        expect(turns.size).toBe(0);
      }),
    );
  });
});
