import { expect, test } from "vitest";
import { TroubleRegistry } from "../../../src/observe/troubles.ts";
import { ManualClock } from "../support/manualClock.ts";
import { MemoryLog } from "../support/memoryLog.ts";

function registry() {
  const clock = new ManualClock();
  const log = new MemoryLog();
  return { clock, log, troubles: new TroubleRegistry(clock, log) };
}

test("what is raised stands until it is cleared, with its first time and its last text", () => {
  const { clock, log, troubles } = registry();
  const beganMs = clock.wallMs();
  troubles.raise("disk", "nearly full");
  clock.advance(1000);
  troubles.raise("disk", "full");
  troubles.raise("descriptors", "none left");
  expect(troubles.list()).toEqual([
    { id: "disk", text: "full", sinceMs: beganMs },
    { id: "descriptors", text: "none left", sinceMs: beganMs + 1000 },
  ]);
  troubles.clear("disk");
  troubles.clear("never raised");
  expect(troubles.list().map(({ id }) => id)).toEqual(["descriptors"]);
  expect(log.lines.map(({ message }) => message)).toEqual(["trouble", "trouble", "trouble is over"]);
});

test("a listener hears of the beginning and the end, once each", () => {
  const { troubles } = registry();
  const heard: string[] = [];
  troubles.subscribe(({ id, text }, standing) => heard.push(`${id} ${text} ${standing}`));
  troubles.raise("disk", "full");
  troubles.raise("disk", "still full");
  troubles.clear("disk");
  troubles.clear("disk");
  expect(heard).toEqual(["disk full true", "disk still full false"]);
});
