import { fstatSync } from "node:fs";
import { expect, test } from "vitest";
import { reporting } from "../../../src/cli/startDaemon.ts";
import type { Terminal } from "../../../src/cli/terminal.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { asErrors, isJournal } from "../../../src/core/journal.ts";

const { dev, ino } = fstatSync(2);
const journal = `${dev}:${ino}`;

test("the journal is known by the stream that systemd names", () => {
  expect([isJournal(undefined), isJournal("1:1"), isJournal(journal)]).toEqual([false, false, true]);
});

test("each line of what a service says at its end has the priority of an error there, and nowhere else", () => {
  const said: string[] = [];
  const terminal = (stream: string): Terminal => ({
    out: () => {},
    err: (text) => void said.push(text),
    drained: () => Promise.resolve(),
    ...{ columns: null, rows: null, showsProgress: false, clock: systemClock },
    env: { JOURNAL_STREAM: stream },
  });
  const launch = {
    detached: false,
    secretFd: null,
    reportFd: null,
    handover: false,
    guard: null,
    bounds: null,
  };
  for (const stream of ["1:1", journal])
    reporting(terminal(stream), launch).terminal.err("wgmeshd: a\nhint: b\n");
  expect(said).toEqual(["wgmeshd: a\nhint: b\n", "<3>wgmeshd: a\n<3>hint: b\n"]);
  expect(asErrors("\n")).toBe("\n");
});
