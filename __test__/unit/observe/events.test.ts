import { expect, test } from "vitest";
import { EventLog } from "../../../src/observe/events.ts";
import { keyOf } from "../support/announcements.ts";
import { ManualClock } from "../support/manualClock.ts";

test("keeps the last ones, with ids that go on rising", () => {
  const clock = new ManualClock(5_000);
  const log = new EventLog({ clock, kept: 3 });
  for (let round = 0; round < 8; round++) {
    clock.advance(1);
    log.emit("node.reloaded", { data: { changed: [`${round}`] } });
    expect(log.list().length).toBe(Math.min(3, round + 1));
  }
  expect(log.list().map(({ id, atMs, data }) => [id, atMs, data.changed])).toEqual([
    [6, 5_006, ["5"]],
    [7, 5_007, ["6"]],
    [8, 5_008, ["7"]],
  ]);
});

test("gives what was asked for", () => {
  const clock = new ManualClock(1_000);
  const log = new EventLog({ clock });
  log.emit("peer.added", { peer: keyOf(1) });
  clock.advance(10);
  log.emit("peer.added", { peer: keyOf(2) });
  log.emit("node.stopping");
  const ids = (filter: Parameters<EventLog["list"]>[0]): number[] => log.list(filter).map(({ id }) => id);
  expect(ids({ types: ["peer.added"] })).toEqual([1, 2]);
  expect(ids({ types: ["peer.added", "node.stopping"], sinceMs: 1_010 })).toEqual([2, 3]);
  expect(ids({ peer: keyOf(2) })).toEqual([2]);
  expect(ids({ afterId: 2 })).toEqual([3]);
  expect(ids({})).toEqual([1, 2, 3]);
});

test("tells listeners at once, whatever another one throws, until they leave", () => {
  const thrown: unknown[] = [];
  const log = new EventLog({ clock: new ManualClock(), onListenerError: (error) => thrown.push(error) });
  const heard: string[] = [];
  const broken = new Error("broken");
  log.subscribe(() => {
    throw broken;
  });
  const leave = log.subscribe(({ id, type }) => heard.push(`${id} ${type}`));
  log.emit("node.ready");
  leave();
  log.emit("node.stopping");
  expect(heard).toEqual(["1 node.ready"]);
  expect(thrown).toEqual([broken, broken]);
});
