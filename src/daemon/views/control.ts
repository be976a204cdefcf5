import type { ControlView } from "../../rpc/views/control.ts";
import type { ViewParts } from "./viewParts.ts";

export function controlView({ parts, reload }: ViewParts): ControlView {
  return { reload, shutdown: () => parts.signals.stop() };
}
