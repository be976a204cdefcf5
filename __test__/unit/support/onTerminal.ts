import { spawn } from "node:child_process";
import path from "node:path";

const helper = path.join(import.meta.dirname, "onTerminal.py");

export interface OnTerminal {
  readonly columns?: number;
  readonly rows?: number;
  /** Ctrl-C is pressed then; never without. */
  readonly interruptAfterMs?: number;
  readonly env?: NodeJS.ProcessEnv;
}

/** What a command shows on a pseudo-terminal, line ends as LF, and its exit code (130 for one that Ctrl-C ended). */
export async function onTerminal(
  command: readonly string[],
  { columns = 100, rows = 40, interruptAfterMs = 0, env = {} }: OnTerminal = {},
): Promise<{ readonly code: number | null; readonly shown: string }> {
  const size = [String(columns), String(rows), String(interruptAfterMs / 1000)];
  const child = spawn("python3", [helper, ...size, ...command], {
    stdio: ["ignore", "pipe", "inherit"],
    // Whatever terminal the tests were started on.
    env: { ...process.env, TERM: "xterm", LC_ALL: "C.UTF-8", ...env },
  });
  const pieces: Buffer[] = [];
  child.stdout.on("data", (piece: Buffer) => pieces.push(piece));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, shown: Buffer.concat(pieces).toString("utf8").replaceAll("\r\n", "\n") };
}
