/**
 * The node as a whole.
 */
import type { TaskStatus } from "../../core/tasks.ts";
import type { LayerStatus } from "../../discovery/seams.ts";
import type { PeerHealthState } from "../../peers/healthState.ts";
import type { NatType } from "../../peers/peer.ts";

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
  /** How many peers are in each state; those that never had a tunnel are not judged. */
  readonly health: Readonly<Record<PeerHealthState, number>>;
  /** The way to the Internet through a member; null when none is asked for. */
  readonly exitNode: {
    readonly wanted: string;
    /** Whom it leads through now; null while it waits. */
    readonly publicKey: string | null;
    /** Why it waits. */
    readonly reason: string | null;
    /** Nothing leaves by another way. */
    readonly only: boolean;
  } | null;
  /** Devices that run plain WireGuard and have this node as their gateway; they are no peers of the mesh. */
  readonly clients: { readonly count: number; readonly connected: number };
  /** What the operator allows it: records of peers, and bytes of memory (null for no bound). */
  readonly limits: { readonly peers: number; readonly memoryBytes: number | null };
}

export interface StatusView {
  /** Null until the node is ready to say (answered as -32603, PROTOCOL.md section 15). */
  status(): DaemonStatus | null;
}
