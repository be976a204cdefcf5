import { loadConfiguration } from "../config/configuration.ts";
import { unknownVariables } from "../config/variables.ts";
import type { ExitCode } from "../core/errors.ts";
import type { DaemonRequest } from "./daemonCommand.ts";

/** Loads the addon and the daemon only now: bad arguments are told at once, also where the addon cannot load. */
export async function startDaemon(request: DaemonRequest): Promise<ExitCode> {
  const { openMeshSecret } = await import("../identity/meshSecret.ts");
  const { options, configuration, sources } = request;
  const found = openMeshSecret(request.secret);
  const { Daemon } = await import("../daemon/door.ts");
  const warnings = [...found.warnings, ...unknownVariables(sources.env)];
  const source = {
    initial: configuration,
    load: (keptText?: string) => loadConfiguration(sources, keptText),
  };
  const daemon = await Daemon.open(options, found.secret, warnings, source);
  return await daemon.serve();
}
