/**
 * Row G8: tools written for the Go peer look for one socket, whatever the interface. The first node of the machine that locks
 * it serves it too; the lock, not the socket, decides, so that two nodes never remove each other's socket.
 */
import { join } from "node:path";
import { DEFAULT_RUN_DIR, type LocationOptions } from "../config/options.ts";

/** PROTOCOL.md section 15. */
const GO_SOCKET_PATH = "/var/run/wgmesh.sock";

export interface GoPath {
  readonly socketPath: string;
  readonly lockPath: string;
}

/** Null when the operator put the socket or the run folder elsewhere: then the node keeps to itself. */
export function goPathFor(options: Pick<LocationOptions, "runDir" | "socketPath">): GoPath | null {
  if (options.runDir !== DEFAULT_RUN_DIR || options.socketPath !== null) return null;
  return { socketPath: GO_SOCKET_PATH, lockPath: join(options.runDir, "wgmesh.sock.lock") };
}
