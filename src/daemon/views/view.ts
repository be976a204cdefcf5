/**
 * What the RPC server may ask of the node: its areas, joined. A new area is a file beside this one, and a line here.
 */
import type { DaemonView } from "../../rpc/daemonView.ts";
import { configView } from "./config.ts";
import { controlView } from "./control.ts";
import { netView } from "./net.ts";
import { peersView } from "./peers.ts";
import { seeingView } from "./seeing.ts";
import { statusView } from "./status.ts";
import type { ViewParts } from "./viewParts.ts";

export function nodeView(parts: ViewParts): DaemonView {
  const peers = peersView(parts);
  return {
    ...peers,
    ...statusView(parts, peers),
    ...netView(parts),
    ...controlView(parts),
    ...configView(parts),
    ...seeingView(parts),
  };
}
