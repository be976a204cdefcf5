/**
 * The options of a node: one table from which flags, help, docs and checks come.
 *
 * A value is text until its row's `parse` has seen it, whatever layer it comes from (flag, variable, later a file).
 */
import { LOG_LEVELS, type LogLevels } from "../core/log.ts";
import type { Cidr, Endpoint, InterfaceName } from "../core/types.ts";
import { type ClientOptions, clientOptions } from "./clientOptions.ts";
import { type HookOptions, hookOptions } from "./hookOptions.ts";
import { type LimitOptions, limitOptions } from "./limitOptions.ts";
import { type NetworkOptions, networkOptions } from "./networkOptions.ts";
import { list, type OptionTable, off, on, value } from "./optionRow.ts";
import { type PrivacyOptions, privacyOptions } from "./privacyOptions.ts";
import type { Problem } from "./problem.ts";
import { logContradictions, type ProcessOptions, processOptions } from "./processOptions.ts";
import { type RelayOptions, relayOptions } from "./relayOptions.ts";
import { type RouteOptions, routeOptions } from "./routeOptions.ts";
import { type RpcOptions, rpcContradictions, rpcOptions } from "./rpcOptions.ts";
import { underlayContradictions } from "./underlayOptions.ts";
import type { StaticPeer } from "./values.ts";
import * as values from "./values.ts";

export type { OptionForm, OptionGroup, OptionRow, OptionTable } from "./optionRow.ts";
export { type FileOptions, fileOptions, type SecretOptions, secretOptions } from "./secretOptions.ts";
export type { RoutePolicy, StaticPeer } from "./values.ts";

/** `auto`: text on a terminal, JSON elsewhere. */
export type LogFormat = "auto" | "text" | "json";

const BACKEND_CHOICES = ["auto", "kernel", "embedded", "wireguard-go"] as const;
/** `auto` is the first of the others that works. */
export type BackendChoice = (typeof BACKEND_CHOICES)[number];

const GOSSIP_PACES = ["calm", "steady", "off"] as const;
/** In-mesh gossip: `steady` is the Go peer's pace, to Go peers too; `calm` is between nodes of ours alone. */
export type GossipPace = (typeof GOSSIP_PACES)[number];

/** Everything `wgmeshd` can be told, checked. The secret travels apart (identity/secretSources.ts). */
export interface DaemonOptions
  extends ClientOptions,
    HookOptions,
    LimitOptions,
    NetworkOptions,
    PrivacyOptions,
    RelayOptions,
    RouteOptions,
    RpcOptions,
    ProcessOptions {
  readonly interfaceName: InterfaceName;
  readonly backend: BackendChoice;
  /** Absolute; null looks the program up (see native/src/wireguard/process/program.rs for what is trusted). */
  readonly wireguardGo: string | null;
  /** Bytes; null follows the paths to the peers (mesh/mtuPolicy.ts). */
  readonly mtu: number | null;
  /**
   * The wish; the next free port is taken when it is in use. Null when nobody chose one: 51820, or the port an
   * interface that exists already is bound to (row C2).
   */
  readonly listenPort: number | null;
  /** IPv4, prefix at most 30; null derives the network from the secret. */
  readonly meshSubnet: Cidr | null;
  /** False with `--no-ipv6`: no mesh IPv6 address. */
  readonly ipv6: boolean;

  readonly peers: readonly StaticPeer[];
  readonly lanDiscovery: boolean;
  /** Look for the mesh in the registry (config/registry.ts). */
  readonly registry: boolean;
  readonly introducer: boolean;
  readonly gossip: GossipPace;
  /** Links discovery may use; empty means every suitable one. */
  readonly discoveryInterfaces: readonly string[];
  readonly excludedInterfaces: readonly string[];
  readonly dht: boolean;
  /** Nodes of the DHT to begin with, in place of the public ones; empty for those. */
  readonly dhtBootstrap: readonly Endpoint[];
  /** UDP; 0 for any free one. */
  readonly dhtPort: number;
  /** Off-switches of layers that a later release brings; accepted so that one command line serves both. */
  readonly stun: boolean;
  /** Empty stands for the public ones. */
  readonly stunServers: readonly Endpoint[];
  readonly punching: boolean;

  readonly strictAddresses: boolean;

  /** Absolute. */
  readonly stateDir: string;
  /** Absolute. */
  readonly runDir: string;
  /** Absolute; null stands for `<run-dir>/<interface>.sock`. */
  readonly socketPath: string | null;
  readonly logLevel: LogLevels;
  readonly logFormat: LogFormat;
}

/** WireGuard's usual port (PROTOCOL.md section 2). */
export const DEFAULT_LISTEN_PORT = 51820;
/** macOS has no /run. */
export const DEFAULT_RUN_DIR = process.platform === "darwin" ? "/var/run/wgmesh" : "/run/wgmesh";
const DEFAULT_STATE_DIR = "/var/lib/wgmesh";

/** How `wgmesh` and `wgmeshd` find one node's files; shared by every verb. */
export type LocationOptions = Pick<DaemonOptions, "interfaceName" | "runDir" | "socketPath">;

export const locationOptions: OptionTable<LocationOptions> = {
  interfaceName: {
    flag: "--interface",
    alias: "--iface",
    group: "Interface",
    help: "name of the WireGuard interface",
    default: "wg0" as InterfaceName,
    defaultText: "wg0",
    fixed: true,
    form: value("NAME", values.interfaceName),
  },
  runDir: {
    flag: "--run-dir",
    group: "Files",
    help: "folder of the lock, the PID file and the socket",
    default: DEFAULT_RUN_DIR,
    defaultText: DEFAULT_RUN_DIR,
    fixed: true,
    form: value("DIR", values.path),
  },
  socketPath: {
    flag: "--socket-path",
    group: "Files",
    help: "RPC socket (default: <run-dir>/<interface>.sock)",
    env: "WGMESH_SOCKET",
    default: null,
    fixed: true,
    form: value("PATH", values.socketPath),
  },
};

export const daemonOptions: OptionTable<DaemonOptions> = {
  interfaceName: locationOptions.interfaceName,
  backend: {
    flag: "--backend",
    group: "Interface",
    help: "what moves packets: auto (the first that works), kernel, embedded, wireguard-go",
    default: "auto",
    defaultText: "auto",
    form: value("KIND", values.oneOf(BACKEND_CHOICES)),
  },
  wireguardGo: {
    flag: "--wireguard-go",
    group: "Interface",
    help: "the program of that backend (default: the one in $PATH, if only root can have put it there)",
    example: "/usr/bin/wireguard-go",
    default: null,
    form: value("PATH", values.path),
  },
  listenPort: {
    flag: "--listen-port",
    group: "Interface",
    help: "WireGuard's UDP port; the next free one when it is in use",
    default: null,
    defaultText: String(DEFAULT_LISTEN_PORT),
    form: value("PORT", values.port),
  },
  mtu: {
    flag: "--mtu",
    group: "Interface",
    help: "MTU of the interface, fixed (default: that of the paths to the peers less 80, at least 1280)",
    default: null,
    form: value("BYTES", values.mtu),
  },
  meshSubnet: {
    flag: "--mesh-subnet",
    group: "Interface",
    help: "IPv4 network of the mesh; the same on every node (default: derived from the secret)",
    default: null,
    form: value("CIDR", values.meshSubnet),
  },
  ipv6: {
    flag: "--no-ipv6",
    group: "Interface",
    help: "give the interface no mesh IPv6 address",
    default: true,
    form: off,
  },

  peers: {
    flag: "--peer",
    group: "Discovery",
    help: "a node to contact: host[:port] or [IPv6][:port]; may be repeated (port: the mesh's control port)",
    default: [],
    live: true,
    form: list("ADDRESS", (text, source) => [values.staticPeer(text, source)]),
  },
  lanDiscovery: {
    flag: "--no-lan-discovery",
    group: "Discovery",
    help: "do not use LAN multicast",
    default: true,
    form: off,
  },
  registry: {
    flag: "--registry",
    group: "Discovery",
    help: "when alone, look for the mesh in a public issue tracker; with $GITHUB_TOKEN also keep its entry (sealed)",
    default: false,
    form: on,
  },
  introducer: {
    flag: "--introducer",
    group: "Discovery",
    help: "say that this node brings others together; a node that peers can reach does so anyway",
    default: false,
    live: true,
    form: on,
  },
  gossip: {
    flag: "--gossip",
    group: "Discovery",
    help: "tell a random peer what is known every 10 s, through the tunnel; Go peers too (default: calmly, and not them)",
    default: "calm",
    live: true,
    form: {
      kind: "pair",
      present: "steady",
      contrary: "off",
      contraryHelp: "do not pass on through the tunnels what is known of other peers",
      parse: values.oneOf(GOSSIP_PACES),
    },
  },
  discoveryInterfaces: {
    flag: "--discovery-iface",
    group: "Discovery",
    help: "use only these links for discovery; commas between, or repeated (default: all suitable)",
    default: [],
    form: list("NAMES", values.linkNames),
  },
  excludedInterfaces: {
    flag: "--exclude-iface",
    group: "Discovery",
    help: "links discovery leaves alone; commas between, or repeated",
    example: ["docker0"],
    default: [],
    form: list("NAMES", values.linkNames),
  },
  dht: {
    flag: "--no-dht",
    group: "Discovery",
    help: "do not use the BitTorrent DHT",
    default: true,
    form: off,
  },
  dhtBootstrap: {
    flag: "--dht-bootstrap",
    group: "Discovery",
    help: "a DHT node to begin with, host:port, in place of the public ones; may be repeated",
    example: ["dht.example.org:6881"],
    default: [],
    form: list("ADDRESS", (text, source) => [values.endpoint(text, source)]),
  },
  dhtPort: {
    flag: "--dht-port",
    group: "Discovery",
    help: "UDP port of the DHT (default: any free one)",
    example: 6881,
    default: 0,
    form: value("PORT", values.port),
  },
  stun: {
    flag: "--no-stun",
    group: "Discovery",
    help: "do not ask STUN servers how this node is seen from outside",
    default: true,
    form: off,
  },
  stunServers: {
    flag: "--stun-server",
    group: "Discovery",
    help: "a STUN server, host[:port] (3478), in place of the public ones; commas between, or repeated",
    env: "WGMESH_STUN_SERVERS",
    default: [],
    form: list("ADDRESSES", values.stunServers),
  },
  punching: {
    flag: "--no-punching",
    group: "Discovery",
    help: "do not punch holes through NATs, nor help others to",
    default: true,
    form: off,
  },

  ...networkOptions,
  ...privacyOptions,

  ...relayOptions,

  ...routeOptions,
  ...clientOptions,
  strictAddresses: {
    flag: "--strict-addresses",
    group: "Routes",
    help: "accept mesh addresses only when they follow from the peer's key",
    default: false,
    form: on,
  },

  stateDir: {
    flag: "--state-dir",
    group: "Files",
    help: "folder of the key, the peer cache and the reload file",
    default: DEFAULT_STATE_DIR,
    defaultText: DEFAULT_STATE_DIR,
    fixed: true,
    form: value("DIR", values.path),
  },
  runDir: locationOptions.runDir,
  socketPath: locationOptions.socketPath,

  ...rpcOptions,
  ...processOptions,
  ...hookOptions,
  ...limitOptions,

  logLevel: {
    flag: "--log-level",
    group: "Log",
    help: `least severity that is logged: ${LOG_LEVELS.join(", ")}; others for parts of the log: info,discovery=debug`,
    env: "WGMESH_LOG",
    default: "info",
    defaultText: "info",
    live: true,
    form: value("LEVELS", values.logLevels),
  },
  logFormat: {
    flag: "--log-format",
    group: "Log",
    help: "text or json (default: text on a terminal, else json)",
    default: "auto",
    form: value("FORMAT", values.oneOf(["auto", "text", "json"])),
  },
};

/** Values that do not go together. `place` names where the value of a key stands. */
export function contradictions(options: DaemonOptions, place: (key: string) => string): Problem[] {
  const problems = [
    ...rpcContradictions(options, place),
    ...logContradictions(options, place),
    ...underlayContradictions(options, place),
  ];
  const complain = (message: string, hint: string): void =>
    void problems.push({ code: "ERR_USAGE", message, hint });
  if (options.ipv6 && options.mtu !== null && options.mtu < 1280) {
    complain(
      `${place("mtu")}: ${options.mtu} is less than the 1280 bytes IPv6 needs`,
      "use 1280 or more, or add --no-ipv6 (in a file: ipv6 = false)",
    );
  }
  const { advertiseEndpoint } = options;
  if (!options.ipv6 && advertiseEndpoint?.host.includes(":")) {
    complain(`${place("advertise-endpoint")}: ${advertiseEndpoint.host} without IPv6`, "leave out --no-ipv6");
  }
  const both = options.discoveryInterfaces.find((name) => options.excludedInterfaces.includes(name));
  if (both !== undefined) {
    const other = place("discovery-iface");
    complain(`${place("exclude-iface")}: ${JSON.stringify(both)} is also in ${other}`, "leave it out of one");
  }
  return problems;
}

/**
 * Flags of the Go peer, and of releases to come, whose feature does not exist yet: refused rather than ignored, since a node
 * that silently lacks what was asked for would betray whoever relies on it.
 */
export const notBuiltFlags: readonly { readonly flag: `--${string}`; readonly placeholder?: string }[] = [
  { flag: "--pprof", placeholder: "ADDRESS" },
  { flag: "--account", placeholder: "KEY" },
  { flag: "--referral", placeholder: "CODE" },
];
