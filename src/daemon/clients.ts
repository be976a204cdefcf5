/**
 * The clients of a node on its disk, `<state-dir>/<iface>.clients.json`, and what it tells others for their sake.
 */
import { renameSync } from "node:fs";
import type { DaemonOptions } from "../config/options.ts";
import { clientsPath } from "../config/paths.ts";
import { messageOf, WgmeshError } from "../core/errors.ts";
import { readSteeringFileSync, writeFileAtomicSync } from "../core/files.ts";
import type { Troubles } from "../core/troubles.ts";
import type { Cidr, PublicKey } from "../core/types.ts";
import { ClientPeers } from "../mesh/clientPeers.ts";
import { type ClientNetworks, clientNetworks, overlap } from "../peers/clientNetworks.ts";
import { ClientBook } from "../peers/clients.ts";
import { type ClientsFile, decodeClients, encodeClients } from "../peers/clientsFile.ts";
import type { LocalNode } from "../peers/localNode.ts";
import type { PeerStore } from "../peers/store.ts";
import type { NodeParts } from "./parts.ts";

export interface ClientParts extends Pick<NodeParts, "clock" | "log" | "troubles"> {
  readonly options: Pick<DaemonOptions, "stateDir" | "interfaceName" | "clientNetwork">;
  readonly publicKey: PublicKey;
  readonly meshNetworks: readonly Cidr[];
  /** Whether the node has a mesh IPv6 address. */
  readonly ipv6: boolean;
  /** Who of the mesh has the key, in words; null for nobody. */
  readonly holderOf: (publicKey: PublicKey) => string | null;
}

const FILE_TROUBLE = "clients-file";
const NETWORK_TROUBLE = "client-network";

/** Those of the last run. A file that cannot be used is put aside, and a trouble; the node starts without clients then. */
export function openClients(parts: ClientParts): ClientBook {
  const { options, clock, publicKey, holderOf, troubles, log } = parts;
  const path = clientsPath(options);
  const { file, blocked } = load(path, parts);
  const networks = networksOf(parts, file);
  const book = new ClientBook({
    ...{ clock, networks, clients: file?.clients ?? [] },
    holderOf: (key) => (key === publicKey ? "this node" : holderOf(key)),
    save: (clients) => {
      if (blocked !== null)
        throw new WgmeshError("ERR_STATE_WRITE", blocked, { hint: "move it away, and restart" });
      writeFileAtomicSync(path, encodeClients({ networks, clients }), 0o600);
    },
  });
  if (book.list().length > 0) log.info({ clients: book.list().length }, "clients of the last run");
  const judge = (): void => {
    const text = networkTrouble(parts, book);
    if (text === null) troubles.clear(NETWORK_TROUBLE);
    else troubles.raise(NETWORK_TROUBLE, text);
  };
  judge();
  book.subscribe(judge);
  return book;
}

interface Loaded {
  /** Null when there was none, or none that can be used. */
  readonly file: ClientsFile | null;
  /** Why it may not be written: it is broken, and could not be put aside. */
  readonly blocked: string | null;
}

function load(path: string, { clock, troubles, log }: ClientParts): Loaded {
  try {
    const text = readSteeringFileSync(path);
    return { file: text === null ? null : decodeClients(text), blocked: null };
  } catch (error) {
    const reason = messageOf(error);
    const aside = `${path}.broken-${new Date(clock.wallMs()).toISOString().replace(/[:.]/g, "")}`;
    try {
      renameSync(path, aside);
    } catch (cause) {
      const blocked = `${path} cannot be used: ${reason}; nor put aside: ${messageOf(cause)}`;
      troubles.raise(FILE_TROUBLE, `the clients are not known: ${blocked}`);
      return { file: null, blocked };
    }
    log.warn({ path, reason }, "file of the clients broken");
    troubles.raise(
      FILE_TROUBLE,
      `the clients are not known: ${path} was broken (${reason}). It was put aside as ${aside}: mend it, put it back and restart, or add the clients anew`,
    );
    return { file: null, blocked: null };
  }
}

/** While there are clients they keep their addresses: what follows from key and mesh may be another network after a move. */
function networksOf(
  { publicKey, options, meshNetworks, ipv6 }: ClientParts,
  file: ClientsFile | null,
): ClientNetworks {
  const chosen = options.clientNetwork;
  const derived = clientNetworks({ publicKey, chosen, meshNetworks, ipv6 });
  if (file === null || file.clients.length === 0) return derived;
  const isFree = (network: Cidr): boolean => !meshNetworks.some((other) => overlap(network, other));
  const before = file.networks;
  return {
    ipv4: chosen === null && isFree(before.ipv4) ? before.ipv4 : derived.ipv4,
    ipv6: ipv6 && before.ipv6 !== null && isFree(before.ipv6) ? before.ipv6 : derived.ipv6,
  };
}

function networkTrouble({ meshNetworks }: ClientParts, book: ClientBook): string | null {
  const { ipv4 } = book.networks;
  const mesh = meshNetworks.find((network) => overlap(network, ipv4));
  if (mesh !== undefined) {
    return `the client network ${ipv4} overlaps the mesh (${mesh}), so nobody answers clients: choose another with --client-network`;
  }
  const strays = book.strays().map(({ name }) => name);
  if (strays.length === 0) return null;
  return `the client network is ${ipv4}, and ${strays.join(", ")} ${strays.length === 1 ? "has an address" : "have addresses"} outside of it, which nobody answers: remove and add them again with 'wgmesh client', or set --client-network as it was`;
}

/** Go nodes refuse a message with more networks (PROTOCOL.md section 4.7). */
const MAX_NETWORKS = 100;
const MANY_TROUBLE = "client-network-many";

interface OwnNetworksOptions {
  /** `--advertise-routes` at the start. */
  readonly routes: readonly Cidr[];
  readonly clients: Pick<ClientBook, "subscribe">;
  readonly clientPeers: Pick<ClientPeers, "networks">;
  readonly self: Pick<LocalNode, "update" | "snapshot">;
  readonly troubles: Troubles;
}

/** What this node says it forwards to: the networks of the operator, and those of its clients while it has any. */
export class OwnNetworks {
  readonly #options: OwnNetworksOptions;
  #routes: readonly Cidr[];

  constructor(options: OwnNetworksOptions) {
    this.#options = options;
    this.#routes = options.routes;
    this.#tell();
    // Also when the networks stay: whoever keeps the interface has a peer more, or less.
    options.clients.subscribe(() => this.#tell());
  }

  /** `--advertise-routes`, which may change while the node runs. */
  setRoutes(routes: readonly Cidr[]): void {
    this.#routes = routes;
    this.#tell();
  }

  #tell(): void {
    const { clientPeers, self, troubles } = this.#options;
    const all = [...new Set([...this.#routes, ...clientPeers.networks(self.snapshot)])];
    const fits = all.length <= MAX_NETWORKS;
    if (fits) troubles.clear(MANY_TROUBLE);
    else {
      troubles.raise(
        MANY_TROUBLE,
        `other nodes do not answer clients: with their networks this node would advertise ${all.length}, and ${MAX_NETWORKS} are the most; shorten --advertise-routes`,
      );
    }
    self.update({ networks: fits ? all : this.#routes });
  }
}

/** The book of the clients, and what keeps the node's networks in step with it. */
export function startClients(
  { options, clock, log, troubles }: NodeParts,
  self: LocalNode,
  store: Pick<PeerStore, "get">,
  meshNetworks: readonly Cidr[],
): { readonly clients: ClientBook; readonly clientPeers: ClientPeers; readonly ownNetworks: OwnNetworks } {
  const { publicKey, meshIpv6 } = self.snapshot;
  const holderOf = (key: PublicKey): string | null => {
    const peer = store.get(key);
    return peer === undefined ? null : `the member ${peer.hostname || peer.publicKey}`;
  };
  const facts = { publicKey, meshNetworks, ipv6: meshIpv6 !== null, holderOf };
  const clients = openClients({ ...{ options, clock, log, troubles }, ...facts });
  const clientPeers = new ClientPeers(clients);
  const ownNetworks = new OwnNetworks({
    routes: options.advertiseRoutes,
    clients,
    clientPeers,
    self,
    troubles,
  });
  return { clients, clientPeers, ownNetworks };
}
