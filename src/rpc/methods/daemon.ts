/**
 * The daemon itself. `daemon.stop` stays free: the Go peer answers it as unknown, and a client may probe for that.
 */
import { WgmeshError } from "../../core/errors.ts";
import {
  type PingResult,
  type ReloadResult,
  type RestartResult,
  type ShutdownResult,
  type StatusResult,
  statusResult,
} from "../results.ts";
import type { MethodRows } from "./method.ts";

export const daemonMethods = {
  "daemon.ping": {
    role: "readonly",
    call: ({ version }): PingResult => ({ pong: true, version }),
  },

  "daemon.status": {
    role: "readonly",
    call: ({ view }): StatusResult => {
      const status = view.status();
      if (status === null) throw new WgmeshError("ERR_NOT_READY", "daemon status unavailable");
      return statusResult(status);
    },
  },

  "daemon.reload": {
    role: "admin",
    changing: true,
    call: ({ view }): Promise<ReloadResult> => view.reload(),
  },

  "daemon.restart": {
    role: "admin",
    changing: true,
    call: ({ view, afterAnswer }): RestartResult => {
      afterAnswer(view.restart());
      return { restarting: true };
    },
  },

  "daemon.shutdown": {
    role: "admin",
    changing: true,
    call: ({ view, afterAnswer }): ShutdownResult => {
      afterAnswer(() => view.shutdown());
      return { stopping: true };
    },
  },
} as const satisfies MethodRows;
