import { uptime } from "node:os";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SleepWatch } from "../../../src/core/sleepWatch.ts";
import { linuxSystem } from "../../../src/daemon/linuxSystem.ts";
import { FakeClock } from "../discovery/fakeClock.ts";
import { MemoryLog } from "../support/memoryLog.ts";

let clock: FakeClock;
let log: MemoryLog;
let asleepMs: number;
let cpuMs: number;
let wakings: number[];
let end: AbortController;
let task: Promise<void>;

beforeEach(async () => {
  clock = new FakeClock();
  log = new MemoryLog();
  asleepMs = 0;
  cpuMs = 0;
  wakings = [];
  end = new AbortController();
  const watch = new SleepWatch({
    ...{ clock, log },
    bootMs: () => clock.monotonicMs() + asleepMs,
    cpuMs: () => cpuMs,
    woke: () => void wakings.push(clock.monotonicMs()),
  });
  task = watch.run(end.signal);
  await clock.advance(10_500);
});

afterEach(async () => {
  end.abort();
  await task;
});

test("time that passes is no sleep", async () => {
  await clock.advance(10 * 60_000);
  expect(wakings).toEqual([]);
});

test("the boot clock ahead of the monotonic one: noticed within 2.5 s, once", async () => {
  asleepMs += 10 * 60_000;
  await clock.advance(2_500);
  expect(wakings).toEqual([12_500]);
  expect(log.lines).toEqual([{ level: "info", message: "woke from sleep", fields: { durationMs: 600_000 } }]);
  await clock.advance(60_000);
  expect(wakings).toHaveLength(1);
});

test("a second sleep is noticed too, a slow machine is none", async () => {
  asleepMs += 20_000;
  await clock.advance(5_000);
  asleepMs += 5_000;
  await clock.advance(5_000);
  asleepMs += 20_000;
  await clock.advance(5_000);
  expect(wakings).toHaveLength(2);
});

test("late because there was too much to do is no sleep", async () => {
  asleepMs += 20_000;
  cpuMs += 2_000;
  await clock.advance(5_000);
  expect(wakings).toEqual([]);
  asleepMs += 20_000;
  cpuMs += 100;
  await clock.advance(5_000);
  expect(wakings).toHaveLength(1);
});

test("ends at once when told to", async () => {
  end.abort();
  await task;
  asleepMs += 60_000;
  await clock.advance(5_000);
  expect(wakings).toEqual([]);
});

test("the system's boot clock is the kernel's", () => {
  expect(Math.abs(linuxSystem.bootMs() - uptime() * 1000)).toBeLessThan(1_000);
});
