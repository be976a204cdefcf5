/**
 * The network around this node.
 */
import type { NetReport } from "../../core/netReport.ts";
import type { PortsShown } from "../views/net.ts";
import type { MethodRows } from "./method.ts";

/** What the node listens on. */
export interface PortsResult {
  readonly wireguard_port: number;
  readonly meshes: readonly {
    readonly control_port: number;
    readonly probe_port: number;
    readonly multicast_group: string;
  }[];
}

function portsResult({ wireguardPort, meshes }: PortsShown): PortsResult {
  return {
    wireguard_port: wireguardPort,
    meshes: meshes.map(({ gossipPort, probePort, multicastGroup }) => ({
      control_port: gossipPort,
      probe_port: probePort,
      multicast_group: multicastGroup,
    })),
  };
}

export const netMethods = {
  "net.check": {
    role: "readonly",
    call: ({ view }): Promise<NetReport> => view.netCheck(),
  },

  "net.ports": {
    role: "readonly",
    call: ({ view }): PortsResult => portsResult(view.ports()),
  },
} as const satisfies MethodRows;
