/**
 * Clients: devices of plain WireGuard that reach the mesh through this node, their gateway.
 */
import type { Cidr, Endpoint, PublicKey } from "../../core/types.ts";
import type { Client } from "../../peers/clients.ts";

/** A client with what the interface says of it. */
export interface ClientView extends Client {
  /** Unix milliseconds; 0 for never. */
  readonly lastHandshakeMs: number;
  /** Where it was heard from last, or null. */
  readonly endpoint: Endpoint | null;
  readonly rxBytes: number;
  readonly txBytes: number;
}

/**
 * Where an endpoint is known from: `advertised` by the operator; `public`, an address of this host that the Internet reaches; `nat`, that of
 * a NAT before it; `lan`, an address that its own network alone reaches.
 */
export type EndpointSource = "advertised" | "public" | "nat" | "lan";

export interface ClientEndpoint {
  readonly endpoint: Endpoint;
  readonly source: EndpointSource;
}

/** What a client is to be told of its gateway. */
export interface GatewayView {
  readonly publicKey: PublicKey;
  /** Null while no address is known at all. */
  readonly reachedAt: ClientEndpoint | null;
  /** Bytes, of the interface; null while there is none. */
  readonly mtu: number | null;
  /** What a client reaches through it: the mesh, the networks of the clients, those that it and other nodes advertise. */
  readonly networks: readonly Cidr[];
  /** What clients send to the Internet is led there: by itself (`--advertise-exit-node`), or through the exit node that it uses. */
  readonly exitNode: boolean;
}

export interface ClientsView {
  /** In the order of their names. */
  clients(): ClientView[];
  clientNetworks(): { readonly ipv4: Cidr; readonly ipv6: Cidr | null };
  clientGateway(): GatewayView;
  /** Resolves once the interface has it. Rejects with ERR_CLIENT, ERR_STATE_WRITE. */
  addClient(name: string, publicKey: PublicKey): Promise<ClientView>;
  /** Resolves, to what it was, once the interface has it no more. Rejects with ERR_CLIENT, ERR_STATE_WRITE. */
  removeClient(name: string): Promise<ClientView>;
}
