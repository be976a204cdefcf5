import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { reporting } from "../../../src/cli/startDaemon.ts";
import { processTerminal } from "../../../src/cli/terminal.ts";

const launch = { detached: true, secretFd: null, handover: false, guard: null, bounds: null };
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wgmesh-report-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

test("a start is told to whoever waits for it; what comes later goes into no file that has the number then", () => {
  const reportFd = openSync(join(folder, "report"), "w");
  const { terminal, end } = reporting(processTerminal, { ...launch, reportFd });
  terminal.err("wgmeshd: no such interface\n");
  end();
  // The kernel gives the lowest free number, which another thread may want too.
  const paths = ["a", "b", "c"].map((name) => join(folder, name));
  const later = paths.map((path) => openSync(path, "w"));
  try {
    terminal.err("wgmeshd: task failed\n");
    terminal.out("more\n");
    end();
    expect(readFileSync(join(folder, "report"), "utf8")).toBe("wgmeshd: no such interface\n");
    expect(paths.map((path) => readFileSync(path, "utf8"))).toEqual(["", "", ""]);
  } finally {
    for (const file of later) closeSync(file);
  }
});

test("a daemon in the foreground has its own terminal", () => {
  expect(reporting(processTerminal, { ...launch, reportFd: null }).terminal).toBe(processTerminal);
});
