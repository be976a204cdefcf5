/**
 * The STUN servers and their addresses: names are looked up again when the network changed, when they fell silent, or after a while.
 */
import { isIP } from "node:net";
import { type Clock, within } from "../../core/clock.ts";
import { type Endpoint, endpointText, type IpAddress, parseIp } from "../../core/types.ts";
import type { Resolver } from "../staticPeers.ts";

/** Name or IP literal, and port. */
export type StunServer = Endpoint;

/** PROTOCOL.md section 9. */
export const DEFAULT_STUN_SERVERS: readonly StunServer[] = [
  { host: "stun.l.google.com", port: 19302 },
  { host: "stun1.l.google.com", port: 19302 },
  { host: "stun.cloudflare.com", port: 3478 },
];

/** More give no better answer, and each is asked from every socket. */
export const MAX_STUN_SERVERS = 8;

const RESOLVE_WITHIN_MS = 3_000;
const KEEP_ADDRESSES_MS = 15 * 60_000;

export interface StunServersOptions {
  readonly clock: Clock;
  readonly resolve: Resolver;
  readonly servers: readonly StunServer[];
}

/** One address of a server to ask. */
export interface ServerAddress {
  /** As configured, `host:port`. */
  readonly name: string;
  readonly address: Endpoint;
}

export class StunServers {
  readonly #options: StunServersOptions;
  readonly servers: readonly StunServer[];
  readonly #addresses = new Map<string, { readonly hosts: readonly IpAddress[]; readonly atMs: number }>();

  constructor(options: StunServersOptions) {
    this.#options = options;
    const byText = new Map(options.servers.map((server) => [endpointText(server), server]));
    this.servers = [...byText.values()].slice(0, MAX_STUN_SERVERS);
  }

  /** Names are looked up anew at the next use. */
  forget(): void {
    this.#addresses.clear();
  }

  forgetServer(server: StunServer): void {
    this.#addresses.delete(endpointText(server));
  }

  /** At most one IPv4 and one IPv6 address of the server. Rejects when its name cannot be looked up in time. */
  async addresses(server: StunServer, signal: AbortSignal): Promise<ServerAddress[]> {
    const hosts = await this.#hosts(server, signal);
    const ipv4 = hosts.find((host) => !host.includes(":"));
    const ipv6 = hosts.find((host) => host.includes(":"));
    const name = endpointText(server);
    return [ipv4, ipv6]
      .filter((host) => host !== undefined)
      .map((host) => ({ name, address: { host, port: server.port } }));
  }

  async #hosts(server: StunServer, signal: AbortSignal): Promise<readonly IpAddress[]> {
    const literal = isIP(server.host) === 0 ? null : parseIp(server.host);
    if (literal !== null) return [literal];
    const { clock, resolve } = this.#options;
    const name = endpointText(server);
    const known = this.#addresses.get(name);
    const nowMs = clock.monotonicMs();
    if (known !== undefined && nowMs - known.atMs < KEEP_ADDRESSES_MS) return known.hosts;
    const texts = await within(
      clock,
      RESOLVE_WITHIN_MS,
      resolve(server.host),
      signal,
      "not resolved in time",
    );
    const hosts = texts.map(parseIp).filter((host) => host !== null);
    if (hosts.length === 0) throw new Error(`${server.host} has no address`);
    this.#addresses.set(name, { hosts, atMs: nowMs });
    return hosts;
  }
}
