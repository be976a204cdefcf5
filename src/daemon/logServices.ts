/** The log services a daemon can speak to: systemd's journal and syslog. */
import type { DaemonOptions } from "../config/options.ts";
import { messageOf, WgmeshError } from "../core/errors.ts";
import { journalEntry } from "../observe/journalEntry.ts";
import { LogService, type LogServiceOptions } from "../observe/logService.ts";
import { syslogLine } from "../observe/syslogLine.ts";
import { logSocket } from "./os.ts";

interface Service {
  readonly path: string;
  /** Takes entries that are too long for a datagram as files. */
  readonly takesFiles: boolean;
  readonly encode: (line: string) => Uint8Array;
}

type Listener = Pick<LogServiceOptions, "onTrouble" | "onLost">;

/** Of entries that are too long for a datagram; ENOBUFS says the same of the kernel's memory. */
const TOO_LONG = ["EMSGSIZE", "ENOBUFS"];
/** Of a service that may come back. */
const AWAY = ["ENOENT", "ECONNREFUSED"];

/** Throws ERR_LOG_TARGET when the service does not run. */
export function openLogService(
  target: "journald" | "syslog",
  options: DaemonOptions,
  { onTrouble, onLost }: Listener,
): LogService {
  const { path, takesFiles, encode } = serviceOf(target, options);
  const socket = open(target, path);
  return new LogService({
    encode,
    send: (entry) => {
      try {
        return socket.send(entry);
      } catch (error) {
        if (!takesFiles || !TOO_LONG.includes(codeOf(error))) throw error;
      }
      try {
        return socket.sendAsFile(entry);
      } catch (error) {
        if (AWAY.includes(codeOf(error))) throw error;
        // It would never be taken, and all others wait behind it.
        onLost(1);
        return true;
      }
    },
    onTrouble: (reason) =>
      onTrouble(
        reason === null ? null : `--log-target ${target}: ${reason}; 'wgmesh logs' has the last lines`,
      ),
    onLost,
  });
}

function serviceOf(
  target: "journald" | "syslog",
  { interfaceName, logFormat }: Pick<DaemonOptions, "interfaceName" | "logFormat">,
): Service {
  const json = logFormat === "json";
  return target === "journald"
    ? {
        path: "/run/systemd/journal/socket",
        takesFiles: true,
        encode: (line) => journalEntry(line, { interfaceName, json }),
      }
    : {
        path: process.platform === "darwin" ? "/var/run/syslog" : "/dev/log",
        takesFiles: false,
        encode: (line) => syslogLine(line, { pid: process.pid, json }),
      };
}

function open(target: string, path: string): ReturnType<typeof logSocket> {
  try {
    return logSocket(path);
  } catch (cause) {
    throw new WgmeshError("ERR_LOG_TARGET", `--log-target ${target}: ${messageOf(cause)}`, { cause });
  }
}

const codeOf = (error: unknown): string => String((error as { code?: unknown }).code);
