import { describe, expect, test } from "vitest";
import { sleep } from "../../../src/core/clock.ts";
import { WgmeshError } from "../../../src/core/errors.ts";
import type { TaskPolicy } from "../../../src/core/tasks.ts";
import { Supervisor } from "../../../src/daemon/supervisor.ts";
import { ManualClock } from "../support/manualClock.ts";
import { MemoryLog } from "../support/memoryLog.ts";
import { settle } from "../support/settle.ts";

function setUp() {
  const clock = new ManualClock();
  const log = new MemoryLog();
  const supervisor = new Supervisor(clock, log);
  const advance = async (ms: number): Promise<void> => {
    await settle();
    clock.advance(ms);
    await settle();
  };
  return { clock, log, supervisor, advance };
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
const fails = (): Promise<void> => Promise.reject(new Error("boom"));
const state = (supervisor: Supervisor, name: string) =>
  supervisor.statuses().find((task) => task.name === name);

describe("policies", () => {
  test("a task that returns is done, whatever its policy", async () => {
    const { supervisor } = setUp();
    for (const policy of ["critical", "restart", "once"] as const)
      supervisor.start(policy, policy, async () => {});
    await settle();
    expect(supervisor.statuses().map((task) => task.state)).toEqual(["done", "done", "done"]);
  });

  test("restart: 0.2, 0.4, … up to 30 s", async () => {
    const { supervisor, clock, advance } = setUp();
    const starts: number[] = [];
    supervisor.start("flaky", "restart", async () => {
      starts.push(clock.monotonicMs());
      throw new Error("boom");
    });
    for (let step = 0; step < 1_200; step += 1) await advance(100);
    const pauses = starts.slice(1).map((atMs, index) => atMs - (starts[index] ?? 0));
    expect(pauses.slice(0, 10)).toEqual([200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
    expect(state(supervisor, "flaky")).toMatchObject({ state: "backoff", lastError: "boom" });
    await supervisor.shutdown(0);
  });

  test("restart: after a stable run the pause is short again", async () => {
    const { supervisor, clock, log, advance } = setUp();
    const runsMs = [0, 0, 0, 61_000, 0];
    let runs = 0;
    supervisor.start("flaky", "restart", async (signal) => {
      runs += 1;
      await sleep(clock, runsMs[runs - 1] ?? 1e9, signal);
      throw new Error("boom");
    });
    for (let step = 0; step < 700; step += 1) await advance(100);
    const pauses = log.of("task failed, starting it again").map((fields) => fields.retryInMs);
    expect(pauses).toEqual([200, 400, 800, 200, 400]);
    await supervisor.shutdown(0);
  });

  test("once: a failure is logged and ends it", async () => {
    const { supervisor, log, advance } = setUp();
    let runs = 0;
    supervisor.start("single", "once", () => {
      runs += 1;
      return fails();
    });
    await advance(60_000);
    expect(runs).toBe(1);
    expect(state(supervisor, "single")).toMatchObject({ state: "failed", lastError: "boom" });
    expect(log.of("task failed")).toEqual([{ task: "single", reason: "boom" }]);
  });

  test("critical: a failure is told with its cause", async () => {
    const { supervisor } = setUp();
    supervisor.start("heart", "critical", fails);
    const failure = await supervisor.criticalFailure;
    expect(failure).toMatchObject({
      code: "ERR_TASK_FAILED",
      exitCode: 9,
      message: "task heart failed: boom",
    });
    expect((failure.cause as Error).message).toBe("boom");
  });

  test("critical: an error of ours keeps its own exit code", async () => {
    const { supervisor } = setUp();
    const cause = new WgmeshError("ERR_NO_PORT", "no port");
    supervisor.start("heart", "critical", () => Promise.reject(cause));
    expect(await supervisor.criticalFailure).toBe(cause);
  });

  test.each(["critical", "restart", "once"] as const)(
    "%s: what throws synchronously is no different",
    async (policy: TaskPolicy) => {
      const { supervisor } = setUp();
      supervisor.start("sync", policy, () => {
        throw new Error("boom");
      });
      await settle();
      expect(state(supervisor, "sync")).toMatchObject({ lastError: "boom" });
      await supervisor.shutdown(0);
    },
  );
});

describe("shutdown", () => {
  test("cancels and awaits every task, the ones in a pause too", async () => {
    const { supervisor } = setUp();
    supervisor.start("waits", "critical", untilAborted);
    supervisor.start("pauses", "restart", fails);
    await settle();
    expect(await supervisor.shutdown(10_000)).toEqual([]);
    expect(supervisor.statuses().map((task) => task.state)).toEqual(["done", "done"]);
  });

  test("names those that are late, at the deadline", async () => {
    const { supervisor, clock, log, advance } = setUp();
    supervisor.start("deaf", "restart", () => new Promise(() => {}));
    supervisor.start("slow", "once", () => sleep(clock, 5_000));
    let late: string[] | null = null;
    const done = supervisor.shutdown(10_000).then((names) => {
      late = names;
    });
    await advance(9_999);
    expect(late).toBeNull();
    await advance(1);
    await done;
    expect(late).toEqual(["deaf"]);
    expect(log.of("tasks did not end in time")).toEqual([{ tasks: ["deaf"] }]);
  });

  test("does not wait once it is to hurry", async () => {
    const { supervisor } = setUp();
    supervisor.start("deaf", "restart", () => new Promise(() => {}));
    const hurry = new AbortController();
    const done = supervisor.shutdown(10_000, hurry.signal);
    hurry.abort();
    expect(await done).toEqual(["deaf"]);
  });

  test("an error during the cancellation is logged, a cancellation is not", async () => {
    const { supervisor, log } = setUp();
    supervisor.start("clean", "critical", untilAborted);
    supervisor.start("dirty", "critical", (signal) => untilAborted(signal).catch(fails));
    await supervisor.shutdown(1_000);
    expect(log.of("task failed while it was cancelled")).toEqual([{ task: "dirty", reason: "boom" }]);
  });

  test("nothing starts afterwards", async () => {
    const { supervisor } = setUp();
    await supervisor.shutdown(0);
    supervisor.start("late", "once", fails);
    expect(supervisor.statuses()).toEqual([]);
  });
});

test("a name is unique among living tasks, and free again afterwards", async () => {
  const { supervisor } = setUp();
  supervisor.start("one", "once", untilAborted);
  expect(() => supervisor.start("one", "once", untilAborted)).toThrow("task one runs already");
  supervisor.start("two", "once", async () => {});
  await settle();
  supervisor.start("two", "once", async () => {});
  await supervisor.shutdown(1_000);
});

test("ended tasks do not pile up", async () => {
  const { supervisor } = setUp();
  for (let i = 0; i < 200; i += 1) {
    supervisor.start(`short-${i}`, "once", async () => {});
    await Promise.resolve();
    await settle();
  }
  expect(supervisor.statuses().length).toBeLessThanOrEqual(34);
});
