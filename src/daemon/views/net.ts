import type { NetReport } from "../../core/netReport.ts";
import { nodeAsk } from "../../discovery/netcheck/nodeAsk.ts";
import type { NetView } from "../../rpc/views/net.ts";
import { netCheck } from "../netCheck.ts";
import type { ViewParts } from "./viewParts.ts";

export function netView({ parts, node, discovery }: ViewParts): NetView {
  let running: Promise<NetReport> | null = null;
  return {
    /** One at a time: who asks meanwhile gets the same answer. */
    netCheck: () => {
      running ??= netCheck({
        system: parts.system,
        ask: nodeAsk(parts.clock),
        examine: async () =>
          (await discovery?.examine()) ?? { nat_type: "unknown", sockets: [], servers: [] },
        node: { layers: () => discovery?.layers() ?? [], peers: () => node.store.list() },
      }).finally(() => {
        running = null;
      });
      return running;
    },
  };
}
