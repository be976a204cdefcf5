/**
 * What the RPC server asks of the daemon. The daemon implements it (daemon/view.ts); rpc/ never imports the daemon.
 */

import type { NetReport } from "../core/netReport.ts";
import type { TaskStatus } from "../core/tasks.ts";
import type { PublicKey } from "../core/types.ts";
import type { LayerStatus } from "../discovery/seams.ts";
import type { PeerPath } from "../peers/paths.ts";
import type { NatType, Peer } from "../peers/peer.ts";

export interface DaemonStatus {
  readonly state: "starting" | "running" | "stopping";
  readonly pid: number;
  readonly version: string;
  readonly uptimeMs: number;
  readonly interfaceName: string;
  readonly interfaceIndex: number;
  readonly backend: string;
  readonly meshIp: string;
  readonly meshIpv6: string | null;
  readonly publicKey: string;
  readonly hostname: string;
  readonly listenPort: number;
  /** `host:port`, host 0.0.0.0 until learned. */
  readonly endpoint: string;
  readonly natType: NatType;
  readonly networkId: string;
  readonly advertisedNetworks: readonly string[];
  readonly peers: { readonly total: number; readonly active: number; readonly connected: number };
  readonly memoryBytes: number;
  readonly openFiles: number;
  readonly lastReconcile: {
    readonly atMs: number;
    readonly durationMs: number;
    readonly changes: number;
    readonly error: string | null;
  } | null;
  /** Peers and routes that keep failing, with the reason (row E2). */
  readonly failing: readonly { readonly object: string; readonly reason: string; readonly sinceMs: number }[];
  readonly layers: readonly LayerStatus[];
  readonly counters: Readonly<Record<string, number>>;
  readonly tasks: readonly TaskStatus[];
  readonly warnings: readonly string[];
  /** Bytes, of the interface; null while there is none. */
  readonly mtu: number | null;
}

/** A peer with what the interface says of it. */
export interface PeerView extends Peer {
  /** `connected`: a handshake in the last 180 s; `known`: none yet; `idle`: one, but older. */
  readonly state: "connected" | "idle" | "known";
  readonly path: PeerPath;
  readonly rxBytes: number;
  readonly txBytes: number;
  /** Round trip through the tunnel in milliseconds, null until measured. */
  readonly latencyMs: number | null;
}

/** One measurement of `peers.ping`. */
export interface PingOutcome {
  /** Of the peer, as it was when the answer came, or the time was over. */
  readonly peer: PeerView;
  /** Milliseconds through the tunnel; null when no answer came in time. */
  readonly rttMs: number | null;
  /** The mesh address that answered, or null. */
  readonly address: string | null;
}

export interface DaemonView {
  /** Null until the node is ready to say (answered as -32603, PROTOCOL.md section 15). */
  status(): DaemonStatus | null;
  /** Every known peer; `active` ones were seen, or had a handshake, under 5 minutes ago. */
  peers(): PeerView[];
  isActive(peer: PeerView): boolean;
  /** Measures one round trip through the tunnel; rejects with ERR_PEER_UNKNOWN. */
  ping(publicKey: PublicKey): Promise<PingOutcome>;
  /** Checks the network around this node; up to 20 s. */
  netCheck(): Promise<NetReport>;
  /** Reads the reload file and applies it; throws ERR_RELOAD. Resolves to what changed, or a warning when there is no file. */
  reload(): Promise<{ readonly changed: readonly string[]; readonly warning: string | null }>;
  /** Starts the orderly shutdown and returns at once. */
  shutdown(): void;
}

/** The RPC server as the daemon sees it (row C8): injected with `setRpcServer`. */
export interface RpcServer {
  start(view: DaemonView): Promise<void>;
  /** Stops listening, lets calls in flight finish (up to `deadlineMs`), removes the socket. */
  stop(deadlineMs: number): Promise<void>;
}
