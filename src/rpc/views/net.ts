/**
 * The network around the node.
 */
import type { NetReport } from "../../core/netReport.ts";

export interface NetView {
  /** Checks the network around this node; up to 20 s. */
  netCheck(): Promise<NetReport>;
}
