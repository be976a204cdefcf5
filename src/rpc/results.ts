/**
 * The answers of the methods: the Go peer's members first, by its names and in its order (PROTOCOL.md section 15), then ours.
 * docs/rpc.md describes each member.
 */
import { endpointText } from "../core/types.ts";
import type { DaemonStatus, DaemonView, DepartedView, PeerView, PingOutcome } from "./daemonView.ts";

export interface PingResult {
  readonly pong: true;
  readonly version: string;
}

export interface StatusResult {
  readonly mesh_ip: string;
  readonly pubkey: string;
  /** Nanoseconds. */
  readonly uptime: number;
  readonly interface: string;
  readonly version: string;
  readonly state: DaemonStatus["state"];
  readonly pid: number;
  readonly interface_index: number;
  readonly backend: string;
  readonly mesh_ipv6: string | null;
  readonly hostname: string;
  readonly listen_port: number;
  readonly endpoint: string;
  readonly nat_type: string;
  readonly network_id: string;
  readonly advertised_networks: readonly string[];
  readonly peers: DaemonStatus["peers"];
  readonly memory_bytes: number;
  readonly open_files: number;
  readonly last_reconcile: {
    /** RFC 3339, seconds. */
    readonly at: string;
    readonly duration_ms: number;
    readonly changes: number;
    readonly error: string | null;
  } | null;
  readonly failing: readonly { readonly object: string; readonly reason: string; readonly since: string }[];
  readonly layers: readonly {
    readonly name: string;
    readonly state: string;
    readonly detail: string;
    readonly last_error: string | null;
  }[];
  readonly counters: Readonly<Record<string, number>>;
  readonly tasks: readonly {
    readonly name: string;
    readonly policy: string;
    readonly state: string;
    readonly restarts: number;
    readonly last_error: string | null;
    readonly since_ms: number;
  }[];
  readonly warnings: readonly string[];
  readonly mtu: number | null;
  readonly health: DaemonStatus["health"];
  /** Null when none is asked for. */
  readonly exit_node: {
    readonly wanted: string;
    readonly state: "active" | "waiting";
    readonly pubkey: string | null;
    readonly reason: string | null;
    readonly only: boolean;
  } | null;
  readonly clients: DaemonStatus["clients"];
  readonly limits: { readonly peers: number; readonly memory_bytes: number | null };
}

export interface PeerResult {
  readonly pubkey: string;
  readonly hostname?: string;
  readonly mesh_ip: string;
  /** `host:port`, or "" while unknown. */
  readonly endpoint: string;
  /** RFC 3339, seconds; {@link NEVER} when the peer never spoke itself. */
  readonly last_seen: string;
  readonly discovered_via: readonly string[] | null;
  readonly routable_networks?: readonly string[];
  /** Whole milliseconds. */
  readonly latency_ms?: number;
  readonly state: PeerView["state"];
  readonly mesh_ipv6: string | null;
  readonly last_handshake: string | null;
  readonly rx_bytes: number;
  readonly tx_bytes: number;
  readonly introducer: boolean;
  readonly nat_type: string;
  readonly proven: boolean;
  readonly path: PeerView["path"]["kind"];
  /** Public key of the node between, or null. */
  readonly relay: string | null;
  /** Why there is no path, or null. */
  readonly path_reason: string | null;
  readonly health: PeerView["health"];
}

/** One measurement: the peer's members as far as they tell the path, and what was measured. */
export interface PeerPingResult
  extends Pick<
    PeerResult,
    "pubkey" | "hostname" | "mesh_ip" | "endpoint" | "state" | "path" | "relay" | "path_reason"
  > {
  /** Milliseconds, with fractions; null when no answer came in time. */
  readonly rtt_ms: number | null;
  /** The mesh address that answered, or null. */
  readonly address: string | null;
}

/** A peer that is known no more, as it was last. */
export interface DepartedResult
  extends Pick<PeerResult, "pubkey" | "hostname" | "mesh_ip" | "endpoint" | "last_seen" | "mesh_ipv6"> {
  readonly reason: DepartedView["reason"];
  /** RFC 3339, seconds. */
  readonly since: string;
  /** RFC 3339, seconds: until then only its own word brings back who left or was evicted. */
  readonly until: string;
}

export interface PeersResult {
  readonly peers: readonly PeerResult[];
  /** With `all`: who left, was evicted or expired in the last ten minutes. The oldest first. */
  readonly departed?: readonly DepartedResult[];
}

export interface CountResult {
  readonly active: number;
  readonly total: number;
  readonly dead: number;
}

export interface ReloadResult {
  readonly changed: readonly string[];
  readonly warning: string | null;
  /** Keys whose new values count after a restart. */
  readonly restart: readonly string[];
}

export interface RestartResult {
  readonly restarting: true;
}

export interface ShutdownResult {
  readonly stopping: true;
}

/** The Go peer's text for a time that never was. */
export const NEVER = "0001-01-01T00:00:00Z";

/** RFC 3339 in UTC, seconds, from Unix milliseconds; 0 is {@link NEVER}. */
export function timeText(unixMs: number): string {
  if (unixMs === 0) return NEVER;
  return `${new Date(unixMs).toISOString().slice(0, 19)}Z`;
}

export function statusResult(status: DaemonStatus): StatusResult {
  const { exitNode, lastReconcile } = status;
  return {
    mesh_ip: status.meshIp,
    pubkey: status.publicKey,
    uptime: Math.round(status.uptimeMs * 1e6),
    interface: status.interfaceName,
    version: status.version,
    state: status.state,
    pid: status.pid,
    interface_index: status.interfaceIndex,
    backend: status.backend,
    mesh_ipv6: status.meshIpv6,
    hostname: status.hostname,
    listen_port: status.listenPort,
    endpoint: status.endpoint,
    nat_type: status.natType,
    network_id: status.networkId,
    advertised_networks: status.advertisedNetworks,
    peers: status.peers,
    memory_bytes: status.memoryBytes,
    open_files: status.openFiles,
    last_reconcile: lastReconcile && {
      at: timeText(lastReconcile.atMs),
      duration_ms: lastReconcile.durationMs,
      changes: lastReconcile.changes,
      error: lastReconcile.error,
    },
    failing: status.failing.map(({ object, reason, sinceMs }) => ({
      object,
      reason,
      since: timeText(sinceMs),
    })),
    layers: status.layers.map(({ name, state, detail, lastError }) => ({
      name,
      state,
      detail,
      last_error: lastError,
    })),
    counters: status.counters,
    tasks: status.tasks.map(({ name, policy, state, restarts, lastError, sinceMs }) => ({
      name,
      policy,
      state,
      restarts,
      last_error: lastError,
      since_ms: sinceMs,
    })),
    warnings: status.warnings,
    mtu: status.mtu,
    health: status.health,
    exit_node: exitNode && {
      wanted: exitNode.wanted,
      state: exitNode.publicKey === null ? "waiting" : "active",
      pubkey: exitNode.publicKey,
      reason: exitNode.reason,
      only: exitNode.only,
    },
    clients: status.clients,
    limits: { peers: status.limits.peers, memory_bytes: status.limits.memoryBytes },
  };
}

export function peerResult(peer: PeerView): PeerResult {
  const { endpoint } = peer;
  return {
    pubkey: peer.publicKey,
    ...(peer.hostname === "" ? {} : { hostname: peer.hostname }),
    mesh_ip: peer.meshIp ?? "",
    endpoint: endpoint === null ? "" : endpointText(endpoint),
    last_seen: timeText(peer.lastSeenMs),
    discovered_via: peer.methods.length === 0 ? null : peer.methods,
    ...(peer.networks.length === 0 ? {} : { routable_networks: peer.networks }),
    ...(peer.latencyMs === null ? {} : { latency_ms: Math.round(peer.latencyMs) }),
    state: peer.state,
    mesh_ipv6: peer.meshIpv6,
    last_handshake: peer.lastHandshakeMs === 0 ? null : timeText(peer.lastHandshakeMs),
    rx_bytes: peer.rxBytes,
    tx_bytes: peer.txBytes,
    introducer: peer.introducer,
    nat_type: peer.natType,
    proven: peer.proven,
    path: peer.path.kind,
    relay: "via" in peer.path ? peer.path.via : null,
    path_reason: "reason" in peer.path ? peer.path.reason : null,
    health: peer.health,
  };
}

export function departedResult({ peer, reason, sinceMs, untilMs }: DepartedView): DepartedResult {
  const { publicKey, hostname, meshIp, meshIpv6, endpoint, lastSeenMs } = peer;
  return {
    pubkey: publicKey,
    ...(hostname === "" ? {} : { hostname }),
    mesh_ip: meshIp ?? "",
    endpoint: endpoint === null ? "" : endpointText(endpoint),
    last_seen: timeText(lastSeenMs),
    mesh_ipv6: meshIpv6,
    reason,
    since: timeText(sinceMs),
    until: timeText(untilMs),
  };
}

export function peerPingResult({ peer, rttMs, address }: PingOutcome): PeerPingResult {
  const { pubkey, hostname, mesh_ip, endpoint, state, path, relay, path_reason } = peerResult(peer);
  return {
    pubkey,
    ...(hostname === undefined ? {} : { hostname }),
    mesh_ip,
    endpoint,
    state,
    path,
    relay,
    path_reason,
    rtt_ms: rttMs === null ? null : Math.round(rttMs * 1000) / 1000,
    address,
  };
}

export function countResult(view: DaemonView): CountResult {
  const peers = view.peers();
  const active = peers.filter((peer) => view.isActive(peer)).length;
  return { active, total: peers.length, dead: peers.length - active };
}
