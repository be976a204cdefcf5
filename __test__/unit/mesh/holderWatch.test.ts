import { describe, expect, test } from "vitest";
import type { PublicKey } from "../../../src/core/types.ts";
import { Holders, HolderWatch } from "../../../src/mesh/holderWatch.ts";
import { ManualClock } from "../support/manualClock.ts";
import { settle } from "../support/settle.ts";
import { keyOf } from "./peers.ts";

const key = keyOf(1);
const watched = new Set([key]);
const traffic = (rxBytes: number, txBytes: number) => [
  { publicKey: key, rxBytes, txBytes, lastHandshakeMs: 1 },
];

describe("Holders", () => {
  test("who gets something and gives nothing back is asked three times, and failed within a second of that", () => {
    const holders = new Holders();
    holders.look(traffic(100, 100), watched, 0);
    let asked = 0;
    let failedAtMs = 0;
    for (let nowMs = 250; failedAtMs === 0; nowMs += 250) {
      const { ask, failed } = holders.look(traffic(100, 100 + nowMs), watched, nowMs);
      asked += ask.length;
      if (failed.length > 0) failedAtMs = nowMs;
    }
    expect(asked).toBe(3);
    expect(failedAtMs).toBeLessThanOrEqual(1_000);
  });

  test("an answer ends it and is told, a keepalive does not begin it", () => {
    const holders = new Holders();
    holders.look(traffic(0, 0), watched, 0);
    expect(holders.look(traffic(0, 200), watched, 250).ask).toEqual([key]);
    expect(holders.look(traffic(50, 200), watched, 500)).toEqual({ ask: [], failed: [], heard: [key] });
    expect(holders.isWaiting).toBe(false);
    expect(holders.look(traffic(50, 232), watched, 60_000)).toEqual({ ask: [], failed: [], heard: [] });
  });

  test("others are not looked at", () => {
    const holders = new Holders();
    holders.look(traffic(0, 0), new Set(), 0);
    expect(holders.look(traffic(0, 900), new Set(), 5_000)).toEqual({ ask: [], failed: [], heard: [] });
  });
});

describe("HolderWatch", () => {
  function make() {
    const clock = new ManualClock();
    const state = { watched: new Set<PublicKey>(), sent: 0, rx: 0, reads: 0 };
    const told: string[] = [];
    const watch = new HolderWatch({
      clock,
      watched: () => state.watched,
      read: () => {
        state.reads += 1;
        return Promise.resolve(traffic(state.rx, state.sent));
      },
      sentBytes: () => state.sent,
      ask: () => told.push("ask"),
      failed: () => told.push("failed"),
      heard: () => told.push("heard"),
    });
    const stop = new AbortController();
    const ended = watch.run(stop.signal);
    const pass = async (ms: number): Promise<void> => {
      for (let passed = 0; passed < ms; passed += 50) {
        clock.advance(50);
        await settle();
      }
    };
    return { watch, state, told, stop, ended, pass };
  }

  test("looks at nothing while nobody could take over, and at the total alone while nothing is sent", async () => {
    const { watch, state, stop, ended, pass } = make();
    await pass(5_000);
    expect(state.reads).toBe(0);
    state.watched.add(key);
    watch.changed();
    await pass(5_000);
    expect(state.reads).toBe(1);
    stop.abort();
    await ended;
  });

  test("tells of one that falls silent in less than two seconds", async () => {
    const { watch, state, told, stop, ended, pass } = make();
    state.watched.add(key);
    watch.changed();
    for (let round = 0; round < 10; round += 1) {
      state.sent += 128;
      state.rx += 128;
      await pass(200);
    }
    expect(told).not.toContain("failed");
    for (let round = 0; round < 9; round += 1) {
      state.sent += 128;
      await pass(200);
    }
    expect(told).toContain("failed");
    stop.abort();
    await ended;
  });
});
