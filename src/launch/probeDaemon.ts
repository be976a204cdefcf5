import { WgmeshError } from "../core/errors.ts";
import { type ClientOptions, callOnce } from "../rpc/client.ts";

/**
 * The PID of the daemon that answers on a socket; null when none does: no socket, a stale one, or a daemon that is not ready to say.
 * Rejects with ERR_PERMISSION for a socket that is not ours to use, and with ERR_TIMEOUT for one that takes calls and does not answer.
 */
export async function probeDaemon(client: ClientOptions): Promise<number | null> {
  try {
    return (await callOnce(client, "daemon.status")).pid;
  } catch (error) {
    const known = error instanceof WgmeshError ? error.code : null;
    if (known === "ERR_NOT_RUNNING" || known === "ERR_NOT_READY") return null;
    throw error;
  }
}
