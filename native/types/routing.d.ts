/** A policy rule that wgmesh made: it sends what it matches to a table, or nowhere. Null for what it does not look at. */
export interface PolicyRule {
  /** 4 or 6. */
  family: 4 | 6;
  /** Lower is asked first. */
  priority: number;
  /** Routing table; 254 is main, and with 0 what it matches is unreachable. */
  table: number;
  /** Routes of the table with a prefix of this length or shorter do not count. */
  suppressPrefixLength: number | null;
  /** The firewall mark of the packet's socket, all bits. */
  fwmark: number | null;
  /** CIDR of its family. */
  source: string | null;
  /** UDP. */
  udpSourcePort: number | null;
}

/** The firewall mark with which {@link routeGet} asks, and that sockets beside a tunnel may have: rules can tell them by it. */
export const UNDERLAY_MARK: 0x3111;

/** The rules with the protocol number {@link ROUTE_PROTOCOL}, of both families. Linux 4.17. */
export function ruleList(): PolicyRule[];

/** No error when it is there already. Linux 4.17 with CAP_NET_ADMIN. Errors: `EPERM`, `EINVAL`. */
export function ruleAdd(rule: PolicyRule): void;

/** Only with our protocol number; no error when it is gone already. Linux 4.17 with CAP_NET_ADMIN. Errors: `EPERM`, `EINVAL`. */
export function ruleDelete(rule: PolicyRule): void;

/** A default route that {@link defaultRouteAdd} made. */
export interface DefaultRoute {
  /** The IP version it is for. */
  family: 4 | 6;
  /** The address packets go out from, unless their socket has one; null where the kernel chooses. */
  source: string | null;
}

/**
 * Adds a default route out of the link to a table other than main, in place of the table's own, without a moment in which there is none; no
 * error when it is there already. It goes with the link. Linux with CAP_NET_ADMIN.
 *
 * @param source - An address of this host that packets go out from; left out, the kernel chooses.
 *
 * Errors: `EPERM`, `ENODEV`, `ENETDOWN`, `EINVAL`.
 */
export function defaultRouteAdd(linkName: string, table: number, family: 4 | 6, source?: string): void;

/** What {@link defaultRouteAdd} made out of the link in the table; none without that link. Linux. */
export function defaultRouteList(linkName: string, table: number): DefaultRoute[];

/**
 * Gives all Internet sockets that the process has now a firewall mark, 0 for none; those of libraries too. Returns how many had another.
 *
 * @param port - Only UDP sockets that are bound to this port.
 * Linux with CAP_NET_ADMIN. Errors: `EPERM`.
 */
export function markOwnSockets(fwmark: number, port?: number): number;

/**
 * Has packets from `sources` that leave by other links than the interface do so with this host's address (masquerading), those to `except`
 * left out: a table `wgmesh_<interface>` of the packet filter for each family, made anew. It may wait for
 * the kernel to load its packet filter, so it runs on another thread, as the next three do. Linux with CAP_NET_ADMIN.
 * Errors: `EPERM`, `EINVAL` for what is no network, `EOPNOTSUPP` (the kernel cannot).
 */
export function masqueradeSet(
  interfaceName: string,
  sources: readonly string[],
  except: readonly string[],
): Promise<void>;

/** Ends what {@link masqueradeSet} began; no error when there is nothing. Linux with CAP_NET_ADMIN. Errors: `EPERM`. */
export function masqueradeRemove(interfaceName: string): Promise<void>;

/** The families that {@link masqueradeSet} made a table for. Linux. */
export function masqueradeFamilies(interfaceName: string): Promise<(4 | 6)[]>;

/**
 * Chains and rules of the packet filter (nf_tables; those that iptables made by it too) in the JSON of `nft --json list ruleset`. What rules look
 * at besides links, families and connection states is `{"xt":{"type":"match"}}`, which may match or not; counters and
 * the like are left out. Linux with CAP_NET_ADMIN. About 1 ms for each 500 rules. Errors: `EPERM`.
 */
export function packetFilter(): Promise<string>;
