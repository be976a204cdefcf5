/**
 * A line of the log as an entry of systemd's journal, in the form of its Native Journal Protocol: `NAME=value` a line; a value with a line
 * break has its name alone on a line, then its length as 64 bits, least significant byte first, then itself and a line break.
 */
import { plainText } from "../core/logText.ts";
import { severityOf } from "./severity.ts";

export interface EntryOptions {
  readonly interfaceName: string;
  /** MESSAGE is the whole line as JSON, in place of what a person reads. */
  readonly json: boolean;
}

/** Of daemons: syslog(3). */
const FACILITY = 3;
/** Longer names are left out by journald. */
const MAX_NAME = 64;

/** `line`: JSON as observe/log.ts writes it. */
export function journalEntry(line: string, { interfaceName, json }: EntryOptions): Buffer {
  const { msg: _message, level, ...fields } = JSON.parse(line) as Record<string, unknown>;
  return Buffer.concat([
    field("MESSAGE", json ? line.trimEnd() : plainText(line)),
    field("PRIORITY", String(severityOf(level))),
    field("SYSLOG_IDENTIFIER", "wgmeshd"),
    field("SYSLOG_FACILITY", String(FACILITY)),
    field("WGMESH_INTERFACE", interfaceName),
    ...Object.entries(fields).map(([name, value]) => field(journalName(name), textOf(value))),
  ]);
}

/** `meshIp` is WGMESH_MESH_IP: journald takes upper-case letters, digits and underscores alone. */
export function journalName(name: string): string {
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase();
  return `WGMESH_${words.replace(/[^A-Z0-9]/g, "_")}`.slice(0, MAX_NAME);
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

function field(name: string, text: string): Buffer {
  if (!text.includes("\n")) return Buffer.from(`${name}=${text}\n`);
  const value = Buffer.from(text);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(value.length));
  return Buffer.concat([Buffer.from(`${name}\n`), length, value, Buffer.from("\n")]);
}
