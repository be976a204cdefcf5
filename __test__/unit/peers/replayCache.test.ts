import { expect, test } from "vitest";
import { ReplayCache } from "../../../src/peers/replayCache.ts";
import { ManualClock } from "../support/manualClock.ts";

const nonce = (number: number): Buffer => {
  const bytes = Buffer.alloc(12, 0xff);
  bytes.writeUInt32BE(number);
  return bytes;
};

test("a nonce is new once, then a repeat from its source and a replay from any other", () => {
  const cache = new ReplayCache(new ManualClock());
  expect(cache.check(nonce(1), "192.0.2.1:52000")).toBe("new");
  expect(cache.check(nonce(1), "192.0.2.1:52000")).toBe("repeat");
  expect(cache.check(nonce(1), "192.0.2.1:52001")).toBe("replay");
  expect(cache.check(nonce(1), "192.0.2.1:52000")).toBe("repeat");
  expect(cache.check(nonce(2), "192.0.2.1:52000")).toBe("new");
});

test("a nonce is remembered for 20 minutes of real time, whatever the wall clock does", () => {
  const clock = new ManualClock();
  const cache = new ReplayCache(clock);
  cache.check(nonce(1), "a");
  clock.jumpWall(86_400_000);
  clock.advance(20 * 60_000);
  expect(cache.check(nonce(1), "b")).toBe("replay");
  clock.advance(1);
  expect(cache.check(nonce(1), "b")).toBe("new");
  expect(cache.size).toBe(1);
});

test("a full cache forgets the oldest", () => {
  const cache = new ReplayCache(new ManualClock(), 3);
  for (const number of [1, 2, 3, 4]) cache.check(nonce(number), "a");
  expect(cache.size).toBe(3);
  expect(cache.check(nonce(2), "b")).toBe("replay");
  expect(cache.check(nonce(1), "b")).toBe("new");
});
