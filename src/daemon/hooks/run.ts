/**
 * One run of a program of the operator: executed directly, watched, ended when it takes too long, always waited for.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { type Clock, sleep } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import { keepDescriptors } from "../os.ts";
import { OutputLines } from "./lines.ts";

/** Between SIGTERM and SIGKILL. */
const TERM_PATIENCE_MS = 2_000;
/** How long output may still come once the program has ended: what it left running may hold the pipe for ever. */
const LATE_OUTPUT_MS = 500;
/** How long the kernel may take to end it after SIGKILL. */
const KILL_PATIENCE_MS = 1_000;
const MAX_LINE_CHARACTERS = 1_000;
/** Lines of a run that are handed on. */
export const MAX_LINES = 200;

export interface HookRun {
  /** Absolute, checked. */
  readonly program: string;
  /** The whole environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly limitMs: number;
  readonly clock: Clock;
  /** Asks for its end: SIGTERM, and 2 s later SIGKILL. */
  readonly stop: AbortSignal;
  /** Ends it at once. */
  readonly hurry: AbortSignal;
  /** Called for each of the first {@link MAX_LINES} lines, printable. */
  readonly onLine: (line: string) => void;
}

export interface HookEnd {
  /** Null for status 0 by its own; else how it ended: `status 1`, `signal SIGTERM`, … */
  readonly failure: string | null;
  /** Of standard error, else of standard output. */
  readonly lastLine: string | null;
  /** Lines that were not handed on. */
  readonly unheard: number;
}

/** Runs it to its end. Never rejects. In a session and process group of its own, which is ended as a whole. */
export async function runHook({ program, environment, limitMs, clock, ...run }: HookRun): Promise<HookEnd> {
  // What comes by two pipes has no order between them.
  const last: { out: string | null; err: string | null } = { out: null, err: null };
  let lines = 0;
  const heard = (stream: "out" | "err", line: string): void => {
    const text = printable(line.trim());
    last[stream] = text;
    lines += 1;
    if (lines <= MAX_LINES) run.onLine(text);
  };
  const endOf = (failure: string | null): HookEnd => {
    return { failure, lastLine: last.err ?? last.out, unheard: Math.max(0, lines - MAX_LINES) };
  };
  const child = start(program, environment);
  if (child instanceof Error) return endOf(`an error: ${messageOf(child)}`);
  // There are none where it could not be started for want of descriptors.
  const streams = [child.stdout, child.stderr].filter((stream) => stream !== undefined && stream !== null);
  const outputs = streams.map((stream) =>
    readLines(stream, (line) => heard(stream === child.stderr ? "err" : "out", line)),
  );
  const exit = new Promise<string | null>((resolve) => {
    child.once("error", (error) => resolve(`an error: ${messageOf(error)}`));
    child.once("exit", (code, signal) => {
      if (signal !== null) resolve(`signal ${signal}`);
      else resolve(code === 0 ? null : `status ${code}`);
    });
  });
  const late = await endInTime(exit, child.pid, { limitMs, clock, stop: run.stop, hurry: run.hurry });
  const failure = await within(clock, KILL_PATIENCE_MS, exit, "it cannot be ended");
  await within(clock, LATE_OUTPUT_MS, Promise.all(outputs), undefined);
  for (const stream of streams) stream.destroy();
  child.unref();
  return endOf(late ?? failure);
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

function start(program: string, environment: HookRun["environment"]): Child | Error {
  try {
    // Sockets of libraries, and what this process inherited itself.
    keepDescriptors();
    return spawn(program, [], {
      cwd: "/",
      env: { ...environment },
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
  } catch (error) {
    return error instanceof Error ? error : new Error(messageOf(error));
  }
}

interface Limits extends Pick<HookRun, "limitMs" | "clock" | "stop" | "hurry"> {}

/** Null when it ended by its own; else why it was ended. */
async function endInTime(
  exit: Promise<unknown>,
  pid: number | undefined,
  { limitMs, clock, stop, hurry }: Limits,
): Promise<string | null> {
  const ended = exit.then(() => null);
  const anyStop = AbortSignal.any([stop, hurry]);
  const seconds = limitMs / 1000;
  const reason = await Promise.race([
    ended,
    aborted(anyStop).then(() => "its end was asked for"),
    elapsed(clock, limitMs, ended).then(() => `it did not end within ${seconds} s and was ended`),
  ]);
  if (reason === null || pid === undefined) return reason;
  signalGroup(pid, "SIGTERM");
  await Promise.race([ended, aborted(hurry), elapsed(clock, TERM_PATIENCE_MS, ended)]);
  // What it started may be there still, or not have listened.
  signalGroup(pid, "SIGKILL");
  return reason;
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody of it is left.
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** Resolves when the time is over; no timer stays behind once `ended` is. */
async function elapsed(clock: Clock, limitMs: number, ended: Promise<unknown>): Promise<void> {
  const done = new AbortController();
  void ended.then(() => done.abort());
  await sleep(clock, limitMs, done.signal).catch(() => {});
}

/** The promise's value, or `late` when it has none in time. */
function within<T, Late>(clock: Clock, limitMs: number, promise: Promise<T>, late: Late): Promise<T | Late> {
  return Promise.race([promise, elapsed(clock, limitMs, promise).then(() => late)]);
}

/** Resolves at the end of the stream. */
function readLines(stream: Readable, onLine: (line: string) => void): Promise<void> {
  const lines = new OutputLines(MAX_LINE_CHARACTERS, onLine);
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => lines.add(text));
  // Its end tells as much.
  stream.on("error", () => {});
  return new Promise((resolve) => {
    stream.once("close", () => {
      lines.end();
      resolve();
    });
  });
}
