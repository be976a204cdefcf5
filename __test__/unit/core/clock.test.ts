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
