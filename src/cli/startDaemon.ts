import type { ExitCode } from "../core/errors.ts";
import type { DaemonRequest } from "./daemonCommand.ts";

/** Loads the addon and the daemon only now: bad arguments are told at once, also where the addon cannot load. */
export async function startDaemon({ options, secret }: DaemonRequest): Promise<ExitCode> {
  const { openMeshSecret } = await import("../identity/meshSecret.ts");
  const found = openMeshSecret(secret);
  const { Daemon } = await import("../daemon/door.ts");
  const daemon = await Daemon.open(options, found.secret, found.warnings);
  return await daemon.serve();
}
