/**
 * Bounds that a process has from its first moment or not at all (row G10): the heap of V8, its threads, those of libuv. Options that ask for them
 * stand in files too, so a daemon that needs them becomes itself again with them, before it has touched anything.
 */
import type { LimitOptions } from "../config/limitOptions.ts";
import { messageOf } from "../core/errors.ts";
import { memoryCeiling } from "../core/memoryCeiling.ts";
import { type Launch, launchVariable } from "../launch/launch.ts";

type Bounds = NonNullable<Launch["bounds"]>;
type Environment = Readonly<Record<string, string | undefined>>;

const MEBIBYTE = 1024 * 1024;
/** With less the heap ends while a thousand peers are known, and the daemon with it. */
const MIN_HEAP_MIB = 96;
/** What V8 takes by itself. */
const USUAL_V8_THREADS = 4;
/** With one, a folder of a server that is gone would hold up all else. */
const MIN_POOL = 2;
const POOL_VARIABLE = "UV_THREADPOOL_SIZE";

export type Replace = typeof import("../launch/native.ts").replaceProcess;

/**
 * The heap is half of the whole: the rest are buffers, threads, code and the addon. Null when nothing is asked for.
 *
 * @param ceiling bytes at which the system ends the process; null for none. A heap of that size would end without a word.
 */
export function boundsFor(
  { threads, memoryLimit }: Pick<LimitOptions, "threads" | "memoryLimit">,
  env: Environment,
  ceiling: number | null,
): { readonly flags: string[]; readonly variables: Record<string, string> } | null {
  const flags: string[] = [];
  const variables: Record<string, string> = {};
  if (memoryLimit !== null) {
    const whole = Math.min(memoryLimit, ceiling ?? memoryLimit);
    const heapMib = Math.max(MIN_HEAP_MIB, Math.floor(whole / 2 / MEBIBYTE));
    flags.push(`--max-old-space-size=${heapMib}`);
  }
  if (threads !== null) {
    flags.push(`--v8-pool-size=${Math.min(threads, USUAL_V8_THREADS)}`);
    // Who sets the variable knows why.
    if (env[POOL_VARIABLE] === undefined) variables[POOL_VARIABLE] = String(Math.max(MIN_POOL, threads));
  }
  return flags.length === 0 ? null : { flags, variables };
}

/**
 * Starts this process again with its bounds, where it has not them yet: does not return then. Null when there is nothing to do, else why it
 * goes on without them.
 */
export function startBounded(options: LimitOptions, launch: Launch, replaceProcess: Replace): string | null {
  const wanted = launch.bounds === null ? boundsFor(options, process.env, memoryCeiling()) : null;
  if (wanted === null) return null;
  const { flags, variables } = wanted;
  const bounds = { flags, variables: Object.keys(variables) };
  const env = { ...process.env, ...variables, ...launchVariable({ ...launch, bounds }) };
  const kept = [launch.reportFd, launch.secretFd, launch.guard?.fd ?? null].filter((fd) => fd !== null);
  const [program, script = "", ...words] = process.argv;
  try {
    return replaceProcess(
      process.execPath,
      [program ?? process.execPath, ...process.execArgv, ...flags, script, ...words],
      Object.entries(env).map(([name, value]) => `${name}=${value}`),
      [0, 1, 2, ...kept],
    );
  } catch (error) {
    return `--memory-limit and --threads do not bound V8 and libuv: ${messageOf(error)}`;
  }
}

/** What the process was started with by others, for its successor, which looks anew what it needs. */
export function withoutBounds(
  flags: readonly string[],
  env: Environment,
  bounds: Bounds | null,
): { readonly flags: readonly string[]; readonly env: Environment } {
  if (bounds === null) return { flags, env };
  const { flags: added, variables } = bounds;
  return {
    flags: flags.slice(0, flags.length - added.length),
    env: Object.fromEntries(Object.entries(env).filter(([name]) => !variables.includes(name))),
  };
}
