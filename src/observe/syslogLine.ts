/**
 * A line of the log as syslog(3) of the C library sends it to /dev/log: `<PRI>Mmm dd hh:mm:ss wgmeshd[PID]: text`. That is RFC 3164 without
 * the host's name, which the service adds.
 */
import { plainText } from "../core/logText.ts";
import { severityOf } from "./severity.ts";

export interface SyslogOptions {
  readonly pid: number;
  /** The text is the whole line as JSON, in place of what a person reads. */
  readonly json: boolean;
}

/** LOG_DAEMON, which stands above the three bits of the severity. */
const FACILITY = 3 << 3;
/** Bytes. rsyslog takes no longer line unless told to, and cuts without a word. */
export const MAX_SYSLOG_BYTES = 8000;

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `line`: JSON as observe/log.ts writes it. What is too long ends with `[… N bytes cut]`. The time is the machine's own. */
export function syslogLine(line: string, { pid, json }: SyslogOptions): Buffer {
  const { level, time } = JSON.parse(line) as Record<string, unknown>;
  const text = json ? line.trimEnd() : plainText(line);
  return cut(
    Buffer.from(`<${FACILITY + severityOf(level)}>${stamp(new Date(String(time)))} wgmeshd[${pid}]: ${text}`),
  );
}

function stamp(at: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":");
  return `${MONTHS[at.getMonth()]} ${String(at.getDate()).padStart(2)} ${clock}`;
}

function cut(bytes: Buffer): Buffer {
  if (bytes.length <= MAX_SYSLOG_BYTES) return bytes;
  const note = (left: number): string => ` [… ${left} bytes cut]`;
  let end = MAX_SYSLOG_BYTES - Buffer.byteLength(note(bytes.length));
  // Not within a character: those that go on begin with the bits 10.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return Buffer.concat([bytes.subarray(0, end), Buffer.from(note(bytes.length - end))]);
}
