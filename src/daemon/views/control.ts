import type { ControlView } from "../../rpc/views/control.ts";
import type { ViewParts } from "./viewParts.ts";

export function controlView({ parts, operations, reload }: ViewParts): ControlView {
  return {
    // All or nothing: it cannot be cancelled half way.
    reload: () => operations.run("daemon.reload", { cancellable: false }, reload),
    shutdown: () => parts.signals.stop(),
  };
}
