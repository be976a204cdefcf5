import { expect, test } from "vitest";
import { BEAT_MS, nextBeatMs } from "../../../src/core/beat.ts";

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
