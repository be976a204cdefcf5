import { expect, test } from "vitest";
import { WarningWatch } from "../../../src/daemon/warningWatch.ts";
import { crowdText } from "../../../src/mesh/crowds.ts";
import { EventLog } from "../../../src/observe/events.ts";
import { ManualClock } from "../support/manualClock.ts";

test("each warning is told once, also while it counts, and once more when it is over", () => {
  const log = new EventLog({ clock: new ManualClock() });
  let warnings: string[] = [];
  const watch = new WarningWatch(log, () => warnings);
  const told = (): string[] => {
    const before = log.list().length;
    watch.look();
    return log
      .list()
      .slice(before)
      .map(({ type, data }) => `${type} ${String(data.text)}`);
  };
  expect(told()).toEqual([]);
  warnings = ["mended 2 times in a row; the next time not before 4 s", "UDP port 1 was in use"];
  expect(told()).toEqual(warnings.map((text) => `warning.raised ${text}`));
  warnings = ["mended 3 times in a row; the next time not before 8 s", "UDP port 1 was in use"];
  expect(told()).toEqual([]);
  warnings = ["UDP port 2 was in use"];
  expect(told()).toEqual([
    "warning.cleared mended 2 times in a row; the next time not before 4 s",
    "warning.cleared UDP port 1 was in use",
    "warning.raised UDP port 2 was in use",
  ]);
});

test("a crowd that grows is one warning; one at another address another", () => {
  const log = new EventLog({ clock: new ManualClock() });
  let crowd = { host: "192.0.2.1", strangers: 40, waiting: 8 };
  const watch = new WarningWatch(log, () => [crowdText(crowd)]);
  watch.look();
  crowd = { ...crowd, strangers: 41, waiting: 9 };
  watch.look();
  expect(log.list().map(({ type }) => type)).toEqual(["warning.raised"]);
  crowd = { ...crowd, host: "192.0.2.2" };
  watch.look();
  expect(log.list().map(({ type }) => type)).toEqual(["warning.raised", "warning.cleared", "warning.raised"]);
});
