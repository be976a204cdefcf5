import { describe, expect, test } from "vitest";
import { StepRunner } from "../../../src/daemon/stepRunner.ts";
import { ManualClock } from "../support/manualClock.ts";
import { MemoryLog } from "../support/memoryLog.ts";

const STEPS = 5;
const patient = new AbortController().signal;

interface Script {
  readonly failAt?: number;
  readonly abortBefore?: number;
  readonly abortDuring?: number;
  readonly failUndoOf?: number;
}

/** Runs five steps by the script and unwinds; tells what happened. */
async function play(script: Script) {
  const clock = new ManualClock();
  const log = new MemoryLog();
  const abort = new AbortController();
  const runner = new StepRunner(clock, log, abort.signal);
  const events: string[] = [];
  let error: unknown = null;
  try {
    for (let index = 0; index < STEPS; index += 1) {
      if (script.abortBefore === index) abort.abort(new Error("stopped"));
      await runner.step(
        `step ${index}`,
        async () => {
          clock.advance(3);
          if (script.failAt === index) throw new Error(`step ${index} broke`);
          if (script.abortDuring === index) abort.abort(new Error("stopped"));
          events.push(`do ${index}`);
          return index;
        },
        async (value) => {
          events.push(`undo ${value}`);
          if (script.failUndoOf === value) throw new Error("stuck");
        },
      );
    }
  } catch (caught) {
    error = caught;
  }
  const failures = await runner.unwind(patient);
  return { events, error, failures, log, runner };
}

/** What is expected when the first `count` steps were done. */
const doneAndUndone = (count: number): string[] => {
  const indexes = Array.from({ length: count }, (_, index) => index);
  return [...indexes.map((index) => `do ${index}`), ...indexes.reverse().map((index) => `undo ${index}`)];
};

describe("StepRunner", () => {
  test("undoes everything in reverse order, once", async () => {
    const { events, error, runner } = await play({});
    expect(error).toBeNull();
    expect(events).toEqual(doneAndUndone(STEPS));
    expect(await runner.unwind(patient)).toEqual([]);
    expect(events).toHaveLength(2 * STEPS);
  });

  test.each([0, 1, 2, 3, 4])("step %i fails: the earlier ones are undone, itself is not", async (failAt) => {
    const { events, error } = await play({ failAt });
    expect((error as Error).message).toBe(`step ${failAt} broke`);
    expect(events).toEqual(doneAndUndone(failAt));
  });

  test.each([0, 1, 2, 3, 4])("abort before step %i: it does not run", async (abortBefore) => {
    const { events, error } = await play({ abortBefore });
    expect((error as Error).message).toBe("stopped");
    expect(events).toEqual(doneAndUndone(abortBefore));
  });

  test.each([0, 1, 2, 3, 4])("abort during step %i: it is undone too", async (abortDuring) => {
    const { events, error } = await play({ abortDuring });
    expect((error as Error).message).toBe("stopped");
    expect(events).toEqual(doneAndUndone(abortDuring + 1));
  });

  test.each([0, 2, 4])(
    "the undo of step %i fails: reported, and the older ones follow",
    async (failUndoOf) => {
      const { events, failures, log } = await play({ failUndoOf });
      expect(events).toEqual(doneAndUndone(STEPS));
      expect(failures).toEqual([{ step: `step ${failUndoOf}`, reason: "stuck" }]);
      expect(log.of("step could not be undone")).toEqual(failures);
    },
  );

  test("logs each step with its duration", async () => {
    const { log } = await play({ failAt: 2 });
    expect(log.of("startup step done")).toEqual([
      { step: "step 0", durationMs: 3 },
      { step: "step 1", durationMs: 3 },
    ]);
  });
});
