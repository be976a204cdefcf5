/**
 * The child process of a daemon that was killed (row C9).
 */
import { childRecordPath } from "../config/paths.ts";
import { messageOf } from "../core/errors.ts";
import type { NodeParts } from "./parts.ts";

/**
 * Ends it, if it still runs, whatever the backend is now: it holds the name of the interface. When that cannot be done the
 * interface shows whether it matters, so it is no reason not to start.
 */
export function endLeftoverChild({ options, system, log }: NodeParts): void {
  const path = childRecordPath(options);
  try {
    const pid = system.endLeftoverChild(path);
    if (pid !== null) log.warn({ pid }, "ended the wireguard-go of a killed daemon");
  } catch (error) {
    log.warn({ path, reason: messageOf(error) }, "child process of an earlier run not ended");
  }
}
