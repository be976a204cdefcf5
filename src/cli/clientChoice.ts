/**
 * What `wgmesh client` was told of a configuration, and what the gateway says where nothing was.
 */
import type { Command } from "commander";
import { WgmeshError } from "../core/errors.ts";
import {
  type Cidr,
  endpointText,
  type IpAddress,
  parseCidr,
  parseEndpoint,
  parseIp,
  parsePublicKey,
} from "../core/types.ts";
import type { GatewayResult } from "../rpc/client.ts";

export interface ClientChoice {
  /** `host:port`; null for what the gateway knows of itself. */
  readonly endpoint: string | null;
  /** Null for what the gateway reaches. */
  readonly allowedIps: readonly Cidr[] | null;
  readonly dns: readonly IpAddress[];
}

/** IPv6 too where the mesh has none: else it would go past the tunnel. */
const EVERYTHING = ["0.0.0.0/0", "::/0"] as Cidr[];

/** Adds `--endpoint`, `--allowed-ips`, `--all-traffic` and `--dns`. */
export function addClientChoice(command: Command): Command {
  return command
    .option(
      "--endpoint <address>",
      "host:port at which the client reaches this node (default: as advertised, or as found)",
    )
    .option(
      "--allowed-ips <cidrs>",
      "what the client sends through this node, commas between (default: the mesh, and the networks behind its nodes)",
    )
    .option(
      "--all-traffic",
      "the client sends everything through this node, the Internet included: needs --advertise-exit-node or --exit-node here",
    )
    .option("--dns <addresses>", "DNS servers for the client, commas between");
}

/** Throws ERR_USAGE, ERR_ENDPOINT, ERR_CIDR. */
export function readClientChoice(command: Command): ClientChoice {
  const { endpoint, allowedIps, allTraffic, dns } = command.opts<{
    endpoint?: string;
    allowedIps?: string;
    allTraffic?: true;
    dns?: string;
  }>();
  if (allTraffic === true && allowedIps !== undefined)
    throw new WgmeshError("ERR_USAGE", "--all-traffic and --allowed-ips exclude each other");
  const chosen = allowedIps === undefined ? null : listOf(allowedIps, networkOf);
  return {
    endpoint: endpoint === undefined ? null : endpointOf(endpoint),
    allowedIps: allTraffic === true ? EVERYTHING : chosen,
    dns: dns === undefined ? [] : listOf(dns, addressOf),
  };
}

/** Canonical text. Throws ERR_USAGE. */
export function publicKeyOf(text: string): string {
  const key = parsePublicKey(text.trim());
  if (key !== null) return key;
  // Not quoted: it may be the private key.
  throw new WgmeshError("ERR_USAGE", "--public-key: that is not a public key", {
    hint: "use the 44 characters that the device shows as its public key",
  });
}

export interface Chosen {
  readonly endpoint: string;
  readonly allowedIps: readonly string[];
  /** Sentences for the operator. */
  readonly warnings: readonly string[];
}

/** Throws ERR_USAGE for what this gateway cannot give. */
export function chooseFor(gateway: GatewayResult, { endpoint, allowedIps, dns }: ClientChoice): Chosen {
  const all = allowedIps?.find((network) => network.endsWith("/0"));
  if (all !== undefined) refuseUnlessWayOut(gateway, all);
  const found = endpoint ?? gateway.endpoint;
  if (found === null) {
    throw new WgmeshError("ERR_USAGE", "this node knows no address at which a client reaches it", {
      hint: "name one with --endpoint HOST:PORT",
    });
  }
  return {
    endpoint: found,
    allowedIps: allowedIps ?? gateway.allowed_ips,
    warnings: [
      ...(endpoint === null ? warningsOf(gateway) : []),
      ...(all !== undefined && dns.length === 0 ? [NO_NAME_SERVER] : []),
    ],
  };
}

const NO_NAME_SERVER =
  "all that the client sends goes through this node, and a name server of the network it is in may be out of reach then: name others with --dns";

function refuseUnlessWayOut({ exit_node: isWayOut }: GatewayResult, all: Cidr): void {
  if (isWayOut) return;
  throw new WgmeshError(
    "ERR_USAGE",
    `${all} is everything, and this node does not forward to the Internet, nor uses an exit node`,
    {
      hint: "let it forward: wgmesh config set advertise-exit-node true --keep; or have it use a member that does: wgmesh config set exit-node PEER --keep",
    },
  );
}

function warningsOf({ endpoint, endpoint_source: source }: GatewayResult): string[] {
  if (source === "lan") {
    return [
      `${endpoint} is reached from its own network only: name another with --endpoint for a client elsewhere`,
    ];
  }
  if (source === "nat") {
    return [
      `${endpoint} is the address of a NAT: a client gets through where its router forwards that UDP port to this node`,
    ];
  }
  return [];
}

function endpointOf(text: string): string {
  const endpoint = parseEndpoint(text);
  if (endpoint !== null) return endpointText(endpoint);
  throw new WgmeshError("ERR_ENDPOINT", `--endpoint: ${JSON.stringify(text)} is no host with a port`);
}

function listOf<T>(text: string, read: (entry: string) => T): T[] {
  return [...new Set(text.split(",").map((entry) => read(entry.trim())))];
}

function networkOf(text: string): Cidr {
  const ip = parseIp(text);
  const network = parseCidr(ip === null ? text : `${ip}/${ip.includes(":") ? 128 : 32}`);
  if (network !== null) return network;
  throw new WgmeshError("ERR_CIDR", `--allowed-ips: ${JSON.stringify(text)} is not a network`);
}

function addressOf(text: string): IpAddress {
  const ip = parseIp(text);
  if (ip !== null) return ip;
  throw new WgmeshError("ERR_USAGE", `--dns: ${JSON.stringify(text)} is no IP address`, {
    hint: "write addresses with commas between, such as 10.0.0.1,fd00::1",
  });
}
