import { accessSync, constants } from "node:fs";
import type { DaemonOptions } from "../../config/options.ts";
import { refuse } from "../../config/problem.ts";
import { messageOf, WgmeshError } from "../../core/errors.ts";
import type { ControlView } from "../../rpc/views/control.ts";
import type { ViewParts } from "./viewParts.ts";

export function controlView({ parts, node, operations, reload }: ViewParts): ControlView {
  return {
    reload: () => operations.run("daemon.reload", reload),
    restart: () => {
      checkProgram();
      const next = checkedConfiguration(parts);
      return () => parts.signals.handOver(next === null || takesOver(next, parts.options, node.backend.name));
    },
    shutdown: () => parts.signals.stop(),
  };
}

/** Whether the successor can use the interface as it is. */
function takesOver(next: DaemonOptions, now: DaemonOptions, backend: string): boolean {
  return next.interfaceName === now.interfaceName && ["auto", backend].includes(next.backend);
}

/** What the successor will be told; it reads it anew, and would end at what is wrong in it. Null when it is told the same. */
function checkedConfiguration({ configuration }: ViewParts["parts"]): DaemonOptions | null {
  const next = configuration?.load();
  if (next === undefined) return null;
  const { problems } = next;
  const goesOn = "the daemon goes on as it is";
  refuse(
    problems.map((problem) => ({ ...problem, hint: [problem.hint, goesOn].filter(Boolean).join("; ") })),
  );
  return next.options;
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
