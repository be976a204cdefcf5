import { expect, test } from "vitest";
import { Operations } from "../../../src/core/operations.ts";
import { ManualClock } from "../support/manualClock.ts";

test("an operation is seen while it runs, with how far it is, and after its end", async () => {
  const clock = new ManualClock();
  const operations = new Operations(clock);
  let finish = (_value: number): void => {};
  const result = operations.run("daemon.reload", ({ report }) => {
    report(0.5, "half way");
    return new Promise<number>((resolve) => {
      finish = resolve;
    });
  });
  clock.advance(700);
  expect(operations.list()).toEqual([
    {
      id: 1,
      kind: "daemon.reload",
      state: "running",
      progress: 0.5,
      detail: "half way",
      startedAtMs: clock.wallMs() - 700,
      durationMs: 700,
      cancellable: false,
    },
  ]);
  finish(7);
  expect(await result).toBe(7);
  clock.advance(1000);
  expect(operations.list()).toMatchObject([{ state: "done", progress: 1, durationMs: 700 }]);
});

test("one that fails says why", async () => {
  const operations = new Operations(new ManualClock());
  const failing = operations.run("net.check", () => Promise.reject(new Error("no disk")));
  await expect(failing).rejects.toThrow("no disk");
  expect(operations.list()).toMatchObject([{ state: "failed", detail: "no disk", cancellable: false }]);
});

test("one that can be cancelled ends when it is told to; others say that they cannot", async () => {
  const operations = new Operations(new ManualClock());
  const endless = operations.run(
    "net.check",
    ({ signal }) =>
      new Promise<never>((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  );
  const firm = operations.run("daemon.reload", () => new Promise<never>(() => {}));
  operations.cancel(1);
  await expect(endless).rejects.toMatchObject({ code: "ERR_OPERATION" });
  expect(operations.list()).toMatchObject([{ state: "cancelled" }, { state: "running" }]);
  expect(() => operations.cancel(1)).toThrow(/has ended: cancelled/);
  expect(() => operations.cancel(2)).toThrow(/cannot be cancelled/);
  expect(() => operations.cancel(3)).toThrow(/no operation 3/);
  firm.catch(() => {});
});

test("of those that ended the last 32 are kept, of those that run all", async () => {
  const operations = new Operations(new ManualClock());
  void operations.run("net.check", () => new Promise<never>(() => {}));
  for (let i = 0; i < 40; i += 1) await operations.run("daemon.reload", async () => i);
  const listed = operations.list();
  expect(listed).toHaveLength(33);
  expect(listed[0]).toMatchObject({ id: 1, kind: "net.check", state: "running" });
  expect(listed.at(-1)?.id).toBe(41);
});
