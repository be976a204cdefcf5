import { describe, expect, test, vi } from "vitest";
import { sleep, systemClock } from "../../../src/core/clock.ts";
import { ManualClock } from "../support/manualClock.ts";

describe("sleep", () => {
  test("ends when the time has passed", async () => {
    const clock = new ManualClock();
    let done = false;
    const sleeping = sleep(clock, 100).then(() => {
      done = true;
    });
    clock.advance(99);
    await Promise.resolve();
    expect(done).toBe(false);
    clock.advance(1);
    await sleeping;
    expect(done).toBe(true);
  });

  test("rejects with the signal's reason, and leaves no timer behind", async () => {
    const clock = new ManualClock();
    const abort = new AbortController();
    const sleeping = sleep(clock, 100, abort.signal);
    abort.abort(new Error("stopping"));
    await expect(sleeping).rejects.toThrow("stopping");
    expect(clock.pendingTimers).toBe(0);
    await expect(sleep(clock, 100, abort.signal)).rejects.toThrow("stopping");
    expect(clock.pendingTimers).toBe(0);
  });
});

test("the system's clock calls back unless cancelled", async () => {
  const called: string[] = [];
  systemClock.after(1, () => called.push("cancelled"))();
  await new Promise<void>((resolve) => {
    systemClock.after(5, () => {
      called.push("kept");
      resolve();
    });
  });
  expect(called).toEqual(["kept"]);
});

test("the system's clock calls back no part of a millisecond too early, which setTimeout cuts off", () => {
  vi.useFakeTimers({ toFake: ["setTimeout"] });
  try {
    let called = 0;
    systemClock.after(5.9, () => {
      called += 1;
    });
    vi.advanceTimersByTime(5);
    expect(called).toBe(0);
    vi.advanceTimersByTime(1);
    expect(called).toBe(1);
  } finally {
    vi.useRealTimers();
  }
});

describe("what waits long", () => {
  /** How often the system woke the process, by its timers. */
  function withTimers(body: (wakes: () => number) => void): void {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    try {
      body(() => vi.getTimerCount());
    } finally {
      vi.useRealTimers();
    }
  }

  test("shares a timer with what is due on the same beat, and is never early", () => {
    withTimers((timers) => {
      const called: string[] = [];
      const beatMs = Math.ceil(systemClock.monotonicMs() / 2_500) * 2_500 + 2_500;
      for (const late of [0, 0.01, 0.4, 0.9]) {
        systemClock.after(beatMs + late - systemClock.monotonicMs(), () => called.push(`${late}`));
      }
      expect(timers()).toBe(1);
      vi.advanceTimersByTime(beatMs - systemClock.monotonicMs());
      expect(called).toEqual([]);
      vi.advanceTimersByTime(6);
      expect(called).toEqual(["0", "0.01", "0.4", "0.9"]);
      expect(timers()).toBe(0);
    });
  });

  test("is cancelled one by one, also by another of the same timer, and the last one takes the timer along", () => {
    withTimers((timers) => {
      const called: string[] = [];
      const cancel = (["first", "second", "third"] as const).map((name) =>
        systemClock.after(300, () => {
          called.push(name);
          cancel[2]?.();
        }),
      );
      cancel[0]?.();
      expect(timers()).toBe(1);
      vi.advanceTimersByTime(310);
      expect(called).toEqual(["second"]);
      systemClock.after(300, () => called.push("never"))();
      expect(timers()).toBe(0);
    });
  });

  test("and is as long as setTimeout takes comes no sooner for it", () => {
    withTimers((timers) => {
      let called = 0;
      systemClock.after(2 ** 31 - 1, () => {
        called += 1;
      });
      vi.advanceTimersByTime(3_600_000);
      expect([called, timers()]).toEqual([0, 1]);
    });
  });
});
