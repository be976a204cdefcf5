/**
 * What `wgmeshd` does once its command line is read: be the daemon, or start it in the background; and become its successor after
 * a restart.
 */
import { closeSync, writeSync } from "node:fs";
import { loadConfiguration } from "../config/configuration.ts";
import { rpcSocketPath } from "../config/paths.ts";
import { unknownVariables } from "../config/variables.ts";
import { ExitCode } from "../core/errors.ts";
import { asErrors, isJournal } from "../core/journal.ts";
import type { MeshSecret } from "../identity/derivation.ts";
import { type Launch, launchVariable } from "../launch/launch.ts";
import type { DaemonRequest } from "./daemonCommand.ts";
import { startBounded, withoutBounds } from "./processBounds.ts";
import type { Terminal } from "./terminal.ts";

type DaemonParts = typeof import("./daemonParts.ts");

/** Loads the addon and the daemon only now: bad arguments are told at once, also where the addon cannot load. */
export async function startDaemon(
  request: DaemonRequest,
  { terminal, end: endReport }: Reporting,
  launch: Launch,
): Promise<ExitCode> {
  const parts = await import("./daemonParts.ts");
  const isStarter = request.options.daemon && !launch.detached;
  const unbounded = isStarter ? null : startBounded(request.options, launch, parts.replaceProcess);
  const found =
    launch.secretFd === null
      ? parts.openMeshSecret(request.secret)
      : { secret: parts.takeMeshSecret(launch.secretFd), warnings: [] };
  if (isStarter) {
    return await startAnother(parts, request, found, terminal);
  }
  if (launch.detached) {
    process.umask(0o077);
    parts.ignoreTerminalStops();
  }
  const { options, configuration, sources } = request;
  const daemon = await parts.Daemon.open(options, found.secret, {
    warnings: [
      ...found.warnings,
      ...unknownVariables(sources.env),
      ...(unbounded === null ? [] : [unbounded]),
    ],
    configuration: {
      initial: configuration,
      load: (keptText?: string) => loadConfiguration(sources, keptText),
    },
    handover: launch.handover,
    guard: launch.guard,
  });
  endReport();
  const succession = await daemon.serve();
  if (succession === null) return ExitCode.ok;
  try {
    return becomeSuccessor(request, found.secret, launch, succession.guard, parts.replaceProcess);
  } catch (error) {
    throw succession.failed(error);
  }
}

async function startAnother(
  { startInBackground }: DaemonParts,
  { options, commandLine }: DaemonRequest,
  { secret, warnings }: { readonly secret: MeshSecret; readonly warnings: readonly string[] },
  terminal: Terminal,
): Promise<ExitCode> {
  for (const warning of warnings) terminal.err(`wgmeshd: warning: ${warning}\n`);
  const { withProgress } = await import("./progress.ts");
  const pid = await withProgress(terminal, "starting", () =>
    startInBackground({
      options,
      program: String(process.argv[1]),
      commandLine,
      secretFd: secret.toPipe(),
      client: { socketPath: rpcSocketPath(options) },
      env: terminal.env,
      clock: terminal.clock,
    }),
  );
  terminal.out(`${options.interfaceName}: started (PID ${pid})\n`);
  return ExitCode.ok;
}

/** The same PID, program and options; nothing of this process runs after it. */
function becomeSuccessor(
  { commandLine }: DaemonRequest,
  secret: MeshSecret,
  { detached, bounds }: Launch,
  guard: Launch["guard"],
  replaceProcess: DaemonParts["replaceProcess"],
): never {
  const secretFd = secret.toPipe();
  const own = withoutBounds(process.execArgv, process.env, bounds);
  const env = { ...own.env, ...launchVariable({ detached, secretFd, handover: true, guard }) };
  return replaceProcess(
    process.execPath,
    [process.execPath, ...own.flags, String(process.argv[1]), ...commandLine],
    Object.entries(env).map(([name, value]) => `${name}=${value}`),
    // Node.js has its standard streams closed by execve(2) too.
    [0, 1, 2, secretFd, ...(guard === null ? [] : [guard.fd])],
  );
}

/** What a service has to say at its end is an error there too. */
function inJournal(terminal: Terminal): Terminal {
  if (!isJournal(terminal.env.JOURNAL_STREAM)) return terminal;
  return { ...terminal, err: (text) => terminal.err(asErrors(text)) };
}

export interface Reporting {
  readonly terminal: Terminal;
  /** The start is over. Nothing goes to the descriptor any more, whose number may be that of a socket next. */
  end(): void;
}

/** What a daemon in the background has to say while it starts goes to whoever started it. */
export function reporting(terminal: Terminal, { reportFd }: Launch): Reporting {
  if (reportFd === null) return { terminal: inJournal(terminal), end: () => {} };
  let fd: number | null = reportFd;
  const tell = (text: string): void => {
    if (fd === null) return;
    try {
      writeSync(fd, text);
    } catch {
      // Whoever started it waits no more.
    }
  };
  const end = (): void => {
    if (fd !== null) closeSync(fd);
    fd = null;
  };
  return { terminal: { ...terminal, out: tell, err: tell }, end };
}
