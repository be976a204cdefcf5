import { accessSync, constants } from "node:fs";
import { refuse } from "../../config/problem.ts";
import { messageOf, WgmeshError } from "../../core/errors.ts";
import type { ControlView } from "../../rpc/views/control.ts";
import type { ViewParts } from "./viewParts.ts";

export function controlView({ parts, operations, reload }: ViewParts): ControlView {
  return {
    // All or nothing: it cannot be cancelled half way.
    reload: () => operations.run("daemon.reload", { cancellable: false }, reload),
    restart: () => {
      checkProgram();
      checkConfiguration(parts);
      return () => parts.signals.handOver();
    },
    shutdown: () => parts.signals.stop(),
  };
}

/** The successor reads it anew, and would end at what is wrong in it. */
function checkConfiguration({ configuration }: ViewParts["parts"]): void {
  const problems = configuration?.load().problems ?? [];
  const goesOn = "the daemon goes on as it is";
  refuse(
    problems.map((problem) => ({ ...problem, hint: [problem.hint, goesOn].filter(Boolean).join("; ") })),
  );
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
