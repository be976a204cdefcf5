/**
 * The text of the file with the clients: `<state-dir>/<iface>.clients.json`. It holds no secret: the preshared key of a client follows
 * from the node's own key.
 */
import { type Cidr, type IpAddress, parseCidr, parseIp, parsePublicKey } from "../core/types.ts";
import type { ClientNetworks } from "./clientNetworks.ts";
import { CLIENT_NAME, type Client, MAX_CLIENTS } from "./clients.ts";

export interface ClientsFile {
  /** At the time of writing: where clients have their addresses, whatever follows from key and mesh by now. */
  readonly networks: ClientNetworks;
  readonly clients: readonly Client[];
}

const VERSION = 1;

export function encodeClients({ networks, clients }: ClientsFile): string {
  const entries = clients.map(({ name, publicKey, ip, ipv6, addedMs }) => ({
    ...{ name, public_key: publicKey, ip, ipv6 },
    added: new Date(addedMs).toISOString(),
  }));
  return `${JSON.stringify({ version: VERSION, networks, clients: entries }, null, 2)}\n`;
}

/** Throws an Error that says what is wrong: such a file is not used in part, since a client would be shut out without a word. */
export function decodeClients(text: string): ClientsFile {
  const file = objectOf(JSON.parse(text), "it");
  if (file.version !== VERSION)
    throw new Error(`its version is ${JSON.stringify(file.version)}, not ${VERSION}`);
  const networks = objectOf(file.networks, "networks");
  if (!Array.isArray(file.clients)) throw new Error("clients is no list");
  const clients = file.clients.map((entry, index) => clientOf(entry, `client ${index + 1}`));
  if (clients.length > MAX_CLIENTS) throw new Error(`it has ${clients.length} clients`);
  for (const member of ["name", "publicKey", "ip"] as const) {
    const values = new Set(clients.map((client) => client[member]));
    if (values.size < clients.length) throw new Error(`two clients have the same ${member}`);
  }
  return {
    networks: {
      ipv4: networkOf(networks.ipv4, 4),
      ipv6: networks.ipv6 === null ? null : networkOf(networks.ipv6, 6),
    },
    clients,
  };
}

function clientOf(value: unknown, what: string): Client {
  const { name, public_key: key, ip, ipv6, added } = objectOf(value, what);
  const publicKey = typeof key === "string" ? parsePublicKey(key) : null;
  const addedMs = typeof added === "string" ? Date.parse(added) : Number.NaN;
  if (typeof name !== "string" || !CLIENT_NAME.test(name)) throw new Error(`${what} has no name`);
  if (publicKey === null) throw new Error(`${what} (${name}) has no public key`);
  if (Number.isNaN(addedMs)) throw new Error(`${what} (${name}) has no time`);
  return Object.freeze({
    ...{ name, publicKey, addedMs },
    ip: addressOf(ip, 4, `${what} (${name})`),
    ipv6: ipv6 === null ? null : addressOf(ipv6, 6, `${what} (${name})`),
  });
}

function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new Error(`${what} is no object`);
}

function addressOf(value: unknown, family: 4 | 6, what: string): IpAddress {
  const ip = typeof value === "string" ? parseIp(value) : null;
  if (ip !== null && ip.includes(":") === (family === 6)) return ip;
  throw new Error(`${what} has no IPv${family} address`);
}

function networkOf(value: unknown, family: 4 | 6): Cidr {
  const network = typeof value === "string" ? parseCidr(value) : null;
  if (network !== null && network.includes(":") === (family === 6)) return network;
  throw new Error(`networks has no IPv${family} network`);
}
