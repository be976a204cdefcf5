import type { DaemonRequest } from "../../../src/cli/daemonCommand.ts";
import { runDaemon } from "../../../src/cli/daemonCommand.ts";
import type { Terminal } from "../../../src/cli/terminal.ts";
import { runWgmesh } from "../../../src/cli/wgmeshCommand.ts";
import { type Clock, systemClock } from "../../../src/core/clock.ts";
import { ExitCode } from "../../../src/core/errors.ts";

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

type Environment = Record<string, string | undefined>;

/** A clock whose time passes `speed` times as fast. */
function fastClock(speed: number): Clock {
  return {
    wallMs: () => systemClock.wallMs(),
    monotonicMs: () => systemClock.monotonicMs() * speed,
    after: (delayMs, callback) => systemClock.after(delayMs / speed, callback),
  };
}

function recorder(
  env: Environment,
  columns: number | null = null,
  speed = 1,
): { terminal: Terminal; out: string[]; err: string[] } {
  const out: string[] = [];
  const err: string[] = [];
  const terminal: Terminal = {
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    drained: () => Promise.resolve(),
    columns,
    rows: columns === null ? null : 24,
    showsProgress: false,
    env,
    clock: fastClock(speed),
  };
  return { terminal, out, err };
}

/** The real parser of `wgmeshd` with a start that only notes what it was asked. */
export async function wgmeshd(
  args: readonly string[],
  env: Environment = {},
): Promise<Ran & { request: DaemonRequest | null }> {
  const { terminal, out, err } = recorder(env);
  let request: DaemonRequest | null = null;
  const code = await runDaemon(args, terminal, async (asked) => {
    request = asked;
    return ExitCode.ok;
  });
  return { code, out: out.join(""), err: err.join(""), request };
}

/** The real `wgmesh`, all of it. */
export async function wgmesh(
  args: readonly string[],
  columns: number | null = null,
  speed = 1,
  env: Environment = {},
): Promise<Ran> {
  const { terminal, out, err } = recorder(env, columns, speed);
  const code = await runWgmesh(args, terminal);
  return { code, out: out.join(""), err: err.join("") };
}
