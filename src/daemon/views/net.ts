import { within } from "../../core/clock.ts";
import type { NetReport } from "../../core/netReport.ts";
import { nodeAsk } from "../../discovery/netcheck/nodeAsk.ts";
import type { NetView } from "../../rpc/views/net.ts";
import { netCheck } from "../netCheck.ts";
import { marking } from "../underlayMark.ts";
import type { ViewParts } from "./viewParts.ts";

/** Longer than the check ever takes. */
const LIMIT_MS = 30_000;

export function netView({ parts, node, discovery, operations }: ViewParts): NetView {
  let running: Promise<NetReport> | null = null;
  const check = (signal: AbortSignal): Promise<NetReport> =>
    netCheck({
      system: parts.system,
      ask: nodeAsk(parts.clock, signal, marking(parts.options.fwmark)),
      examine: async () =>
        (await discovery?.examine(signal)) ?? { nat_type: "unknown", sockets: [], servers: [] },
      node: { layers: () => discovery?.layers() ?? [], peers: () => node.store.list() },
    });
  return {
    ports: () => {
      const next = parts.rotation?.status().next ?? null;
      const meshes = next === null ? [parts.mesh] : [parts.mesh, next];
      return { wireguardPort: node.self.snapshot.wireguardPort, meshes };
    },
    /** One at a time: who asks meanwhile gets the same answer. What was cancelled gives none, and asks nobody any more. */
    netCheck: () => {
      running ??= operations
        .run("net.check", ({ signal, report }) => {
          report(null, "asking STUN servers and the router");
          return within(parts.clock, LIMIT_MS, check(signal), signal, "the check takes too long");
        })
        .finally(() => {
          running = null;
        });
      return running;
    },
  };
}
