import { existsSync } from "node:fs";
import type { Command } from "commander";
import { addOptions } from "../../config/flags.ts";
import { type DaemonOptions, daemonOptions, type OptionTable } from "../../config/options.ts";
import { logFilePath } from "../../config/paths.ts";
import { WgmeshError } from "../../core/errors.ts";
import { LOG_LEVELS, LOG_MODULES } from "../../core/log.ts";
import { type LogFilter, type LogLine, parseLogLine, passesLog } from "../../core/logLine.ts";
import { formatText } from "../../core/logText.ts";
import { newestLines } from "../../core/rotatedLines.ts";
import { isColourless } from "../../core/terminalKind.ts";
import { type ClientOptions, RpcClient } from "../../rpc/client.ts";
import { checkedWord } from "../checkedWord.ts";
import { printFollowed } from "../follow.ts";
import { addLocation, readDaemonOptions, readLocation } from "../location.ts";
import { jsonText } from "../render.ts";
import type { Terminal } from "../terminal.ts";

interface LogsOptions {
  readonly follow?: true;
  readonly level?: string;
  readonly module?: string;
  readonly lines?: string;
}

const fileOptions: OptionTable<Pick<DaemonOptions, "stateDir" | "logFile">> = {
  stateDir: daemonOptions.stateDir,
  logFile: {
    ...daemonOptions.logFile,
    help: "where the daemon that is gone logged to (default: <state-dir>/<interface>.log)",
  },
};

const MAX_LINES = 2_000;

/** `wgmesh logs` (row G5): the last lines of the daemon's log, from its memory; of a daemon that is gone, from its file. */
export function addLogs(program: Command, terminal: Terminal): void {
  const command = program
    .command("logs")
    .description("the last lines of the daemon's log; of one that is gone, those of its log file")
    .option("-f, --follow", "go on with what is logged next, until interrupted")
    .option("--level <level>", `this severity and worse: ${LOG_LEVELS.join(", ")}`)
    .option("--module <name>", `of this part alone: ${LOG_MODULES.join(", ")}; daemon is the daemon itself`)
    .option(
      "-n, --lines <n>",
      `how many of the last ones, up to ${MAX_LINES} (default: 100; 10 with --follow)`,
    )
    .action(async () => {
      const { client: place, remote, json } = readLocation(command, terminal);
      const given = command.opts<LogsOptions>();
      const filter = filterOf(given);
      const limit = countOf(given);
      const show = (line: LogLine): string => formatText(JSON.stringify(line), hasColour(terminal));
      const client = await connect(place, remote || given.follow === true);
      if (client === null) {
        const options = readDaemonOptions(command, fileOptions, terminal);
        const lines = await fromFile(logFilePath({ ...options, daemon: true }), filter, limit);
        return terminal.out(json ? jsonText({ lines }) : lines.map(show).join(""));
      }
      try {
        if (given.follow !== true) {
          const result = await client.call("logs.list", { ...filter, limit });
          return terminal.out(json ? jsonText(result) : result.lines.map(show).join(""));
        }
        const { answer, items } = await client.follow("logs.follow", { ...filter, limit });
        await printFollowed([answer.lines, items], json, terminal, show);
      } finally {
        client.close();
      }
    });
  addLocation(command);
  addOptions(command, fileOptions);
}

/** Null when no daemon runs, unless one is needed. */
async function connect(place: ClientOptions, needed: boolean): Promise<RpcClient | null> {
  try {
    return await RpcClient.connect(place);
  } catch (error) {
    if (!needed && error instanceof WgmeshError && error.code === "ERR_NOT_RUNNING") return null;
    throw error;
  }
}

async function fromFile(path: string | null, filter: LogFilter, limit: number): Promise<LogLine[]> {
  if (path === null || !existsSync(path)) {
    const file = path === null ? "no log file: it went to a log service" : `no log file ${path}`;
    throw new WgmeshError("ERR_NOT_RUNNING", `no daemon answers, and there is ${file}`, {
      hint: "name the daemon's file with --log-file, or ask the journal: journalctl -u 'wgmesh*', journalctl -t wgmeshd",
    });
  }
  const found: LogLine[] = [];
  for await (const text of newestLines(path)) {
    const line = parseLogLine(text);
    if (line === null || !passesLog(line, filter)) continue;
    if (found.length >= limit) break;
    found.push(line);
  }
  return found.reverse();
}

function filterOf({ level, module }: LogsOptions): LogFilter {
  return {
    ...(level === undefined ? {} : { level: checkedWord(level, LOG_LEVELS, "--level") }),
    ...(module === undefined ? {} : { module: checkedWord(module, LOG_MODULES, "--module") }),
  };
}

function countOf({ lines, follow }: LogsOptions): number {
  if (lines === undefined) return follow === true ? 10 : 100;
  const count = /^\d{1,4}$/.test(lines) ? Number(lines) : Number.NaN;
  if (!(count <= MAX_LINES)) {
    throw new WgmeshError("ERR_USAGE", `--lines: ${JSON.stringify(lines)} is not from 0 to ${MAX_LINES}`);
  }
  return count;
}

const hasColour = ({ columns, env }: Terminal): boolean => columns !== null && !isColourless(env);
