import { type ChildProcess, execFile, execFileSync } from "node:child_process";
import { allowanceMs } from "./time.ts";

/** A command that takes so long hangs. */
const LIMIT_MS = allowanceMs(6_000);

export interface Outcome {
  /** Exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end, whatever that is; kills it after `limitMs`. */
export function run(command: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const [file = "", ...args] = command;
  return new Promise((resolve) => {
    const child = execFile(
      file,
      args,
      {
        timeout: options.limitMs ?? LIMIT_MS,
        killSignal: "SIGKILL",
        maxBuffer: 64 << 20,
        ...(options.env && { env: { ...process.env, ...options.env } }),
      },
      (error, stdout, stderr) => {
        const failedToStart = error !== null && child.pid === undefined;
        resolve({
          code: failedToStart ? 127 : child.exitCode,
          signal: child.signalCode,
          stdout,
          stderr: failedToStart ? error.message : stderr,
        });
      },
    );
    // A command need not read it.
    child.stdin?.on("error", () => {});
    child.stdin?.end(options.input);
  });
}

export interface RunOptions {
  readonly limitMs?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Text for standard input; nothing by default. */
  readonly input?: string;
}

/** Runs a command that must succeed, blocking; for set-up and clean-up. */
export function must(command: readonly string[], input = ""): string {
  const [file = "", ...args] = command;
  return execFileSync(file, args, { input, stdio: ["pipe", "pipe", "pipe"], timeout: LIMIT_MS }).toString();
}

/** The same, for clean-up that has nothing to do any more when it fails. */
export function attempt(command: readonly string[]): string {
  try {
    return must(command);
  } catch {
    return "";
  }
}

/** Resolves once the child has ended and its streams are closed. */
export function ended(child: ChildProcess): Promise<Pick<Outcome, "code" | "signal">> {
  return new Promise((resolve) => child.once("close", (code, signal) => resolve({ code, signal })));
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
