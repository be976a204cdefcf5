import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { kernelMonotonicMicros } from "../../../src/core/clock.ts";
import { calmNotify, managedBy, SignsOfLife, stamped } from "../../../src/daemon/serviceManager.ts";
import { ManualClock } from "../support/manualClock.ts";
import { MemoryLog } from "../support/memoryLog.ts";
import { settle } from "../support/settle.ts";
import { start } from "./meshNode/nodes.ts";

describe("who manages this process", () => {
  test.each([
    [{}, null],
    [{ WATCHDOG_USEC: "6000000" }, null],
    [{ NOTIFY_SOCKET: "/run/n" }, { watchdogMs: null }],
    [{ NOTIFY_SOCKET: "@n", WATCHDOG_USEC: "6000000" }, { watchdogMs: 6_000 }],
    [{ NOTIFY_SOCKET: "@n", WATCHDOG_USEC: "6000000", WATCHDOG_PID: "42" }, { watchdogMs: 6_000 }],
    [{ NOTIFY_SOCKET: "@n", WATCHDOG_USEC: "6000000", WATCHDOG_PID: "43" }, { watchdogMs: null }],
    [{ NOTIFY_SOCKET: "@n", WATCHDOG_USEC: "soon" }, { watchdogMs: null }],
    [{ NOTIFY_SOCKET: "@n", WATCHDOG_USEC: "0" }, { watchdogMs: null }],
  ])("by %o", (env, managed) => {
    expect(managedBy(env, 42)).toEqual(managed);
  });
});

describe("the instant of a reload", () => {
  test("goes with it, and with nothing else", () => {
    expect(stamped("RELOADING=1", () => 17n)).toBe("RELOADING=1\nMONOTONIC_USEC=17");
    expect(stamped("READY=1", () => 17n)).toBe("READY=1");
  });

  test("is on the clock that the service manager has", () => {
    const before = kernelMonotonicMicros();
    const { stdout } = spawnSync("python3", [
      "-c",
      "import time; print(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)",
    ]);
    const there = BigInt(String(stdout).trim());
    expect(there).toBeGreaterThanOrEqual(before);
    expect(there).toBeLessThanOrEqual(kernelMonotonicMicros());
  });
});

test("a manager that cannot be told costs a line of the log", () => {
  const log = new MemoryLog();
  const notify = calmNotify(() => {
    throw new Error("EAGAIN: cannot notify");
  }, log);
  expect(() => notify("READY=1")).not.toThrow();
  expect(log.lines).toHaveLength(1);
});

function signs(watchdogMs: number | null) {
  const told: string[] = [];
  const log = new MemoryLog();
  const facts = { status: "wg0 is up", progress: {} as unknown };
  const life = new SignsOfLife({
    managed: { watchdogMs },
    notify: (state) => told.push(state),
    status: () => facts.status,
    progress: () => facts.progress,
    log,
  });
  return { told, log, facts, life };
}

describe("signs of life", () => {
  test("come twice in the watchdog's time, the status when it is another", async () => {
    const { told, facts, life } = signs(6_000);
    const clock = new ManualClock();
    const end = new AbortController();
    const running = life.run(clock, end.signal).catch(() => {});
    await settle();
    expect(told).toEqual(["WATCHDOG=1\nSTATUS=wg0 is up"]);
    clock.advance(3_000);
    await settle();
    facts.status = "wg0 is up, 1 of 1 peers connected";
    clock.advance(3_000);
    await settle();
    expect(told.slice(1)).toEqual(["WATCHDOG=1", "WATCHDOG=1\nSTATUS=wg0 is up, 1 of 1 peers connected"]);
    end.abort();
    await running;
  });

  test("are not sent to a manager that does not wait for them", () => {
    const { told, life } = signs(null);
    life.tell(0);
    life.tell(10_000);
    expect(told).toEqual(["STATUS=wg0 is up"]);
  });

  test("end when the work of the node does not go on, and come back with it", () => {
    const { told, log, facts, life } = signs(60_000);
    life.tell(0);
    for (let nowMs = 10_000; nowMs < 180_000; nowMs += 10_000) life.tell(nowMs);
    expect(told).toHaveLength(18);
    life.tell(180_000);
    life.tell(190_000);
    expect(told).toHaveLength(18);
    expect(log.lines.filter(({ level }) => level === "error")).toHaveLength(1);
    facts.progress = {};
    life.tell(200_000);
    expect(told).toHaveLength(19);
  });
});

test("a node that is managed tells how it is", async () => {
  const fake = await start({ managed: { watchdogMs: 60_000 } });
  await settle();
  expect(fake.notified).toContainEqual(
    expect.stringMatching(/^WATCHDOG=1\nSTATUS=wg0 is up at [\d.]+, 0 of 0 peers connected$/),
  );
});
