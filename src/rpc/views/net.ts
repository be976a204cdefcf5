/**
 * The network around the node.
 */
import type { NetReport } from "../../core/netReport.ts";

/** What follows from a secret, and may be known. */
export interface MeshPortsShown {
  readonly gossipPort: number;
  readonly probePort: number;
  readonly multicastGroup: string;
}

export interface PortsShown {
  readonly wireguardPort: number;
  /** The node's own mesh, then the one that it moves to. */
  readonly meshes: readonly MeshPortsShown[];
}

export interface NetView {
  /** Checks the network around this node; up to 20 s. */
  netCheck(): Promise<NetReport>;
  /** What the node listens on. */
  ports(): PortsShown;
}
