import { describe, expect, test } from "vitest";
import type { DaemonOptions } from "../../../src/config/options.ts";
import { logFilePath } from "../../../src/config/paths.ts";
import { logContradictions, logTargetOf } from "../../../src/config/processOptions.ts";
import type { InterfaceName } from "../../../src/core/types.ts";

type Chosen = Pick<DaemonOptions, "daemon" | "logTarget" | "logFile">;
const chosen = (options: Partial<Chosen>): Chosen => ({
  daemon: false,
  logTarget: null,
  logFile: null,
  ...options,
});
const node = { interfaceName: "wg0" as InterfaceName, stateDir: "/s" };

describe("where the log goes", () => {
  test.each<[string, Partial<Chosen>, string, string | null]>([
    ["nothing said", {}, "stderr", null],
    ["in the background", { daemon: true }, "file", "/s/wg0.log"],
    ["a file named", { logFile: "/x.log" }, "file", "/x.log"],
    ["the file asked for", { logTarget: "file" }, "file", "/s/wg0.log"],
    ["both", { logTarget: "file", logFile: "/x.log" }, "file", "/x.log"],
    ["standard error asked for", { logTarget: "stderr" }, "stderr", null],
    ["syslog, in the background", { logTarget: "syslog", daemon: true }, "syslog", null],
  ])("%s", (_what, options, target, path) => {
    expect(logTargetOf(chosen(options))).toBe(target);
    expect(logFilePath({ ...node, ...chosen(options) })).toBe(path);
    expect(logContradictions(chosen(options), (key) => key)).toEqual([]);
  });

  test.each<[string, Partial<Chosen>, RegExp]>([
    [
      "journald and a file",
      { logTarget: "journald", logFile: "/x" },
      /^file:1: log-target: .*file:1: log-file/,
    ],
    ["syslog and a file", { logTarget: "syslog", logFile: "/x" }, /^file:1: log-target: syslog, but/],
    ["standard error and a file", { logTarget: "stderr", logFile: "/x" }, /^file:1: log-target: stderr, but/],
    ["standard error in the background", { logTarget: "stderr", daemon: true }, /no standard error/],
  ])("%s is refused", (_what, options, message) => {
    const problems = logContradictions(chosen(options), (key) => `file:1: ${key}`);
    expect(problems).toEqual([
      { code: "ERR_USAGE", message: expect.stringMatching(message), hint: expect.any(String) },
    ]);
  });
});
