import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Clock } from "../../../src/core/clock.ts";
import { MachineWatch } from "../../../src/daemon/machineWatch.ts";
import { TroubleRegistry } from "../../../src/observe/troubles.ts";
import { ManualClock } from "../support/manualClock.ts";
import { MemoryLog } from "../support/memoryLog.ts";
import { boundless } from "./fakeNode.ts";

/** @param busy how much later than due timers run. */
function watch(stateDir: string, busy = { byMs: 0 }) {
  const clock = new ManualClock();
  const late: Clock = {
    wallMs: () => clock.wallMs(),
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs, callback) => clock.after(delayMs + busy.byMs, callback),
  };
  const troubles = new TroubleRegistry(clock, new MemoryLog());
  const retried: number[] = [];
  const retryFiles = (): void => void retried.push(clock.monotonicMs());
  const machine = new MachineWatch({
    clock: late,
    troubles,
    stateDir,
    memory: boundless(troubles),
    retryFiles,
  });
  const abort = new AbortController();
  const ended = machine.run(abort.signal).catch(() => {});
  onTestFinished(async () => {
    abort.abort();
    await ended;
  });
  const turn = async (ms = 5000): Promise<void> => {
    await expect.poll(() => clock.pendingTimers).toBe(1);
    clock.advance(ms);
  };
  return { troubles, machine, retried, turn };
}

function folder(): string {
  const made = mkdtempSync(path.join(tmpdir(), "wgmesh-machine-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

test("a folder that is there and takes files is no trouble; callers are not counted", async () => {
  const { troubles, machine, turn } = watch(folder());
  await turn();
  expect(troubles.list()).toEqual([]);
  expect(machine.spareCallers()).toBe(Infinity);
});

test("a folder that is gone is a trouble", async () => {
  const gone = path.join(folder(), "gone");
  const { troubles, turn } = watch(gone);
  await turn();
  await expect
    .poll(() => troubles.list())
    .toMatchObject([{ id: "state-directory", text: expect.stringContaining(gone) }]);
});

test("files that wait for room on a disk are tried with each look", async () => {
  const { retried, turn } = watch(folder());
  await turn();
  await turn();
  await expect.poll(() => retried.length).toBe(3);
});

test("how late the event loop was is kept for a minute", async () => {
  const busy = { byMs: 3000 };
  const { machine, turn } = watch(folder(), busy);
  await turn(8000);
  await expect.poll(() => machine.lateMs()).toBe(3000);
  busy.byMs = 0;
  // The pause that was begun meanwhile is the last late one.
  await turn(5500);
  // To the next beat.
  await turn(1500);
  for (let i = 0; i < 15; i += 1) await turn();
  await expect.poll(() => machine.lateMs()).toBe(0);
});
