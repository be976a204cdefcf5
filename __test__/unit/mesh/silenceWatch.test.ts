import { beforeEach, describe, expect, test } from "vitest";
import { Silence, SilenceWatch, type Traffic } from "../../../src/mesh/silenceWatch.ts";
import { FakeClock } from "../discovery/fakeClock.ts";
import { keyOf } from "../support/announcements.ts";

const WALL_MS = 1_767_225_600_000;

let silence: Silence;
let nowMs: number;
let traffic: Traffic;

beforeEach(() => {
  silence = new Silence();
  nowMs = 0;
  traffic = { publicKey: keyOf(1), rxBytes: 1_000, txBytes: 1_000, lastHandshakeMs: WALL_MS - 60_000 };
});

/** A second passes in which so much is sent and heard; true when the peer is silent then. */
function second(sent: number, heard: number): boolean {
  nowMs += 1_000;
  traffic = { ...traffic, txBytes: traffic.txBytes + sent, rxBytes: traffic.rxBytes + heard };
  return silence.look([traffic], nowMs, WALL_MS).length > 0;
}

describe("a peer is silent", () => {
  test("when pings to it stay unanswered for three seconds", () => {
    expect([second(128, 128), second(128, 128)]).toEqual([false, false]);
    expect([second(128, 0), second(128, 0), second(128, 0)]).toEqual([false, false, true]);
    expect(second(128, 1)).toBe(false);
  });

  test("not when nothing is sent to it", () => {
    for (let times = 0; times < 60; times += 1) expect(second(0, 0)).toBe(false);
  });

  test("not when keepalives alone are sent", () => {
    for (let times = 0; times < 60; times += 1) expect(second(times % 25 === 0 ? 32 : 0, 0)).toBe(false);
  });

  test("not while it is not connected: then nobody expects an answer", () => {
    traffic = { ...traffic, lastHandshakeMs: WALL_MS - 200_000 };
    for (let times = 0; times < 10; times += 1) expect(second(500, 0)).toBe(false);
    traffic = { ...traffic, lastHandshakeMs: 0 };
    for (let times = 0; times < 10; times += 1) expect(second(500, 0)).toBe(false);
  });

  test("not because its counters began anew", () => {
    second(500, 500);
    traffic = { ...traffic, rxBytes: 0, txBytes: 0 };
    expect([second(10, 0), second(10, 0), second(10, 0), second(10, 0)]).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});

test("the task looks, tells, and ends", async () => {
  const clock = new FakeClock(WALL_MS);
  const told: number[] = [];
  const watch = new SilenceWatch({
    clock,
    read: async () => [{ ...traffic, txBytes: clock.monotonicMs(), lastHandshakeMs: clock.wallMs() }],
    silent: () => void told.push(clock.monotonicMs()),
  });
  const end = new AbortController();
  const task = watch.run(end.signal);
  await clock.advance(10_000);
  expect(told[0]).toBeLessThanOrEqual(5_000);
  end.abort();
  await task;
  const { length } = told;
  await clock.advance(10_000);
  expect(told).toHaveLength(length);
});
