/**
 * A log line for people: `12:00:01.250 INFO  lan: link joined  link=eth0`.
 */
import { printable } from "./text.ts";

const colours: Readonly<Record<string, string>> = {
  debug: "\x1b[2m",
  info: "\x1b[32m",
  warn: "\x1b[33m",
  error: "\x1b[31m",
};
const DIM = "\x1b[2m";
const RESET = "\x1b[0m";

/** `line` is one JSON object as observe/log.ts writes it. Ends with LF. */
export function formatText(line: string, colour: boolean): string {
  const { time, level, module, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const paint = (code: string, text: string): string => (colour ? `${code}${text}${RESET}` : text);
  const clock = printable(String(time).slice(11, 23));
  const severity = paint(colours[String(level)] ?? "", printable(String(level)).toUpperCase().padEnd(5));
  return `${paint(DIM, clock)} ${severity} ${sentence(module, msg, fields, (text) => paint(DIM, text))}\n`;
}

/** The same without time and severity, for a service that shows these itself: `lan: link joined  link=eth0`. Without LF. */
export function plainText(line: string): string {
  const { time: _time, level: _level, module, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  return sentence(module, msg, fields, (text) => text);
}

function sentence(
  module: unknown,
  msg: unknown,
  fields: Readonly<Record<string, unknown>>,
  dim: (text: string) => string,
): string {
  const where = module === undefined ? "" : `${printable(String(module))}: `;
  const pairs = Object.entries(fields).map(
    ([name, value]) => `${dim(`${printable(name)}=`)}${printable(valueText(value))}`,
  );
  const rest = pairs.length === 0 ? "" : `  ${pairs.join(" ")}`;
  return `${where}${printable(String(msg))}${rest}`;
}

function valueText(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value);
  return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}
