import { accessSync, constants } from "node:fs";
import { messageOf, WgmeshError } from "../../core/errors.ts";
import type { ControlView } from "../../rpc/views/control.ts";
import type { ViewParts } from "./viewParts.ts";

export function controlView({ parts, operations, reload }: ViewParts): ControlView {
  return {
    // All or nothing: it cannot be cancelled half way.
    reload: () => operations.run("daemon.reload", { cancellable: false }, reload),
    restart: () => {
      checkProgram();
      return () => parts.signals.handOver();
    },
    shutdown: () => parts.signals.stop(),
  };
}

/** An upgrade in the middle of its work may have taken the files away. */
function checkProgram(): void {
  try {
    accessSync(process.execPath, constants.X_OK);
    accessSync(String(process.argv[1]), constants.R_OK);
  } catch (cause) {
    throw new WgmeshError("ERR_SYSTEM", `the program cannot be started again: ${messageOf(cause)}`, {
      cause,
      hint: "install wgmesh again; the daemon goes on as it is",
    });
  }
}
