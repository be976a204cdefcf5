import { expect, test } from "vitest";
import { BEAT_MS, nextBeat, nextBeatMs } from "../../../src/core/beat.ts";
import { FakeClock } from "../discovery/fakeClock.ts";

test("is ahead, and at most one pause away", () => {
  for (const nowMs of [0, 1, 4_999.9, 5_000, 5_000.1, 1e9 + 0.25]) {
    const nextMs = nextBeatMs(nowMs);
    expect(nextMs).toBeGreaterThan(nowMs);
    expect(nextMs - nowMs).toBeLessThanOrEqual(BEAT_MS);
  }
});

test("whoever asks between two beats gets the same one", () => {
  const beats = new Set([10_000, 11_234.5, 14_999].map((nowMs) => nextBeatMs(nowMs)));
  expect([...beats]).toEqual([15_000]);
});

test("all who wait for a beat are woken by one timer, with the time at which it was due", async () => {
  const clock = new FakeClock();
  const timers: number[] = [];
  const counted = {
    wallMs: () => clock.wallMs(),
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs: number, callback: () => void) => {
      timers.push(delayMs);
      return clock.after(delayMs, callback);
    },
  };
  const { signal } = new AbortController();
  await clock.advance(1_000);
  const beats = Promise.all([
    nextBeat(counted, signal),
    nextBeat(counted, signal, 2_500),
    nextBeat(counted, signal),
  ]);
  await clock.advance(4_000);
  expect(await beats).toEqual([5_000, 2_500, 5_000]);
  expect(timers).toEqual([4_000, 1_500]);
});

test("who waits is told of the end at once, and no timer is left", async () => {
  const cancelled: number[] = [];
  const after = (delayMs: number) => () => void cancelled.push(delayMs);
  const clock = { wallMs: () => 0, monotonicMs: () => 0, after };
  const [one, other] = [new AbortController(), new AbortController()];
  const ended = [nextBeat(clock, one.signal), nextBeat(clock, one.signal), nextBeat(clock, other.signal)];
  const settled = Promise.allSettled(ended);
  one.abort(new Error("over"));
  expect(cancelled).toEqual([]);
  other.abort(new Error("over too"));
  expect(cancelled).toEqual([5_000]);
  const reasons = (await settled).map((result) => (result as PromiseRejectedResult).reason.message);
  expect(reasons).toEqual(["over", "over", "over too"]);
  await expect(nextBeat(clock, one.signal)).rejects.toThrow("over");
});
