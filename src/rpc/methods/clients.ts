/**
 * Clients: devices of plain WireGuard that reach the mesh through this node. Private and preshared keys never come this way.
 */
import { WgmeshError } from "../../core/errors.ts";
import { endpointText, parsePublicKey } from "../../core/types.ts";
import { timeText } from "../results.ts";
import type { ClientView, EndpointSource, GatewayView } from "../views/clients.ts";
import type { MethodRows } from "./method.ts";

export interface ClientResult {
  readonly name: string;
  readonly public_key: string;
  readonly ip: string;
  readonly ipv6: string | null;
  /** RFC 3339, seconds. */
  readonly added: string;
  /** RFC 3339, seconds; null for never. */
  readonly last_handshake: string | null;
  /** `host:port`, or "" while unknown. */
  readonly endpoint: string;
  readonly rx_bytes: number;
  readonly tx_bytes: number;
}

export interface GatewayResult {
  readonly public_key: string;
  /** `host:port`, or null while none is known. */
  readonly endpoint: string | null;
  readonly endpoint_source: EndpointSource | null;
  readonly mtu: number | null;
  readonly allowed_ips: readonly string[];
  readonly exit_node: boolean;
}

export interface ClientsResult {
  /** In the order of their names. */
  readonly clients: readonly ClientResult[];
  /** Where their addresses are taken from. */
  readonly networks: { readonly ipv4: string; readonly ipv6: string | null };
  /** What their configurations say of this node. */
  readonly gateway: GatewayResult;
}

export const clientsMethods = {
  "clients.list": {
    role: "readonly",
    call: ({ view }): ClientsResult => ({
      clients: view.clients().map(clientResult),
      networks: view.clientNetworks(),
      gateway: gatewayResult(view.clientGateway()),
    }),
  },

  "clients.add": {
    role: "admin",
    changing: true,
    call: async ({ view }, { name, public_key: publicKey }): Promise<ClientResult> => {
      const key = typeof publicKey === "string" ? parsePublicKey(publicKey) : null;
      if (typeof name !== "string") throw wrong("name");
      if (key === null) throw wrong("public_key");
      return clientResult(await view.addClient(name, key));
    },
  },

  "clients.remove": {
    role: "admin",
    changing: true,
    call: async ({ view }, { name }): Promise<ClientResult> => {
      if (typeof name !== "string") throw wrong("name");
      return clientResult(await view.removeClient(name));
    },
  },
} as const satisfies MethodRows;

const wrong = (name: string): WgmeshError =>
  new WgmeshError("ERR_RPC_PARAMS", `missing or invalid '${name}' parameter`);

function clientResult(client: ClientView): ClientResult {
  const { endpoint, lastHandshakeMs } = client;
  return {
    name: client.name,
    public_key: client.publicKey,
    ip: client.ip,
    ipv6: client.ipv6,
    added: timeText(client.addedMs),
    last_handshake: lastHandshakeMs === 0 ? null : timeText(lastHandshakeMs),
    endpoint: endpoint === null ? "" : endpointText(endpoint),
    rx_bytes: client.rxBytes,
    tx_bytes: client.txBytes,
  };
}

function gatewayResult({ publicKey, reachedAt, mtu, networks, exitNode }: GatewayView): GatewayResult {
  return {
    public_key: publicKey,
    endpoint: reachedAt === null ? null : endpointText(reachedAt.endpoint),
    endpoint_source: reachedAt?.source ?? null,
    mtu,
    allowed_ips: networks,
    exit_node: exitNode,
  };
}
