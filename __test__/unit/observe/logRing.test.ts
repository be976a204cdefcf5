import { expect, test } from "vitest";
import { parseLogLine } from "../../../src/core/logLine.ts";
import { createLog } from "../../../src/observe/log.ts";
import { LogRing } from "../../../src/observe/logRing.ts";
import { ManualClock } from "../support/manualClock.ts";

function ringAndLog(): { ring: LogRing; log: ReturnType<typeof createLog>["log"] } {
  const ring = new LogRing();
  const { log } = createLog({
    level: "debug",
    format: "text",
    terminal: true,
    noColour: false,
    clock: new ManualClock(),
    write: () => {},
    keep: (line) => ring.add(line),
  });
  return { ring, log };
}

test("keeps the last lines as they were written, without secrets, and gives those asked for", () => {
  const { ring, log } = ringAndLog();
  log.info({ path: "wgmesh://v1/hunter2" }, "one");
  log.child({ module: "mesh" }).warn({}, "two");
  log.debug({}, "three");
  const texts = (...args: Parameters<LogRing["list"]>): string[] => ring.list(...args).map(({ msg }) => msg);
  expect(texts({}, 10)).toEqual(["one", "two", "three"]);
  expect(texts({}, 2)).toEqual(["two", "three"]);
  expect(texts({ level: "info" }, 10)).toEqual(["one", "two"]);
  expect(texts({ module: "mesh" }, 10)).toEqual(["two"]);
  expect(texts({ module: "daemon" }, 10)).toEqual(["one", "three"]);
  expect(JSON.stringify(ring.list({}, 10))).not.toContain("hunter2");
});

test("tells followers what passes, until they leave", () => {
  const { ring, log } = ringAndLog();
  const heard: string[] = [];
  const leave = ring.subscribe({ level: "warn" }, ({ msg }) => heard.push(msg));
  log.info({}, "one");
  log.warn({}, "two");
  leave();
  log.warn({}, "three");
  expect(heard).toEqual(["two"]);
});

test("stays small, however many lines and however long", () => {
  const { ring, log } = ringAndLog();
  for (let number = 0; number < 9_000; number += 1) log.info({ number }, "short");
  const kept = ring.list({}, 100_000);
  expect(kept.length).toBeLessThanOrEqual(4_000);
  expect(kept.length).toBeGreaterThanOrEqual(2_000);
  expect(kept.at(-1)?.number).toBe(8_999);
  for (let number = 0; number < 50; number += 1) log.info({ text: "x".repeat(100_000) }, "long");
  expect(JSON.stringify(ring.list({}, 100_000)).length).toBeLessThan(2_200_000);
});

test.each(["", "{", "null", "12", '{"time":1}', '{"time":"","msg":"","level":"loud"}'])(
  "%j is no line",
  (text) => {
    expect(parseLogLine(text)).toBeNull();
  },
);
