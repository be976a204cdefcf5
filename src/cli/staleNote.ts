import { pidFilePath } from "../config/paths.ts";
import { WgmeshError } from "../core/errors.ts";
import { stalePidFile } from "../launch/processes.ts";
import type { Location } from "./location.ts";

/** The error; one of a daemon that does not run with what its PID file has to say. */
export function withStaleNote(error: unknown, location: Location): unknown {
  if (location.remote || !(error instanceof WgmeshError) || error.code !== "ERR_NOT_RUNNING") return error;
  const stale = stalePidFile(pidFilePath(location));
  if (stale === null) return error;
  return new WgmeshError("ERR_NOT_RUNNING", `${error.message}; ${stale}`, { cause: error });
}
