/**
 * What `wgmesh netcheck` and the RPC method `net.check` tell; docs/rpc.md describes each member. `unknown` is never `no`.
 */

export type Known = "yes" | "no" | "unknown";

/** A yes, a no or a shrug, and what it rests on. */
export interface Finding {
  readonly state: Known;
  readonly detail: string;
}

/** RFC 4787: how the outside address depends on the destination; `dependent` where it was not found out on what of it. */
export type NetMapping = "none" | "independent" | "address" | "port" | "dependent" | "unknown";
/** RFC 4787: from whom packets come in: anybody, addresses written to, or their ports alone. */
export type NetFiltering = "independent" | "address" | "port" | "unknown";

export interface SocketReport {
  /** `probe` is a socket of the check's own. */
  readonly socket: "control" | "wireguard" | "probe";
  readonly family: "ipv4" | "ipv6";
  /** `host:port` as seen from outside; null when no server answered. */
  readonly mapped: string | null;
  readonly mapping: NetMapping;
  readonly filtering: NetFiltering;
}

export interface ServerReport {
  /** As configured. */
  readonly server: string;
  /** The address that was asked; null when the name has none. */
  readonly address: string | null;
  /** The quickest answer, milliseconds; null for none. */
  readonly after_ms: number | null;
  readonly error: string | null;
}

export interface NatReport {
  readonly nat_type: string;
  readonly sockets: readonly SocketReport[];
  readonly servers: readonly ServerReport[];
}

export interface NetReport extends NatReport {
  /** False when no daemon was asked: then the sockets are not those of a node. */
  readonly daemon: boolean;
  readonly ipv4: Finding;
  readonly ipv6: Finding;
  readonly dht: Finding;
  readonly multicast: Finding;
  /** Bytes, of the path to a STUN server; null when there is none. */
  readonly mtu: number | null;
  readonly gateway: string | null;
  readonly port_mapping: { readonly pcp: Finding; readonly nat_pmp: Finding; readonly upnp: Finding };
}
