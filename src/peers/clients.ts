/**
 * The clients of this node: devices that run plain WireGuard, such as a phone or a router without wgmesh, and reach the mesh through it.
 * A client is no member: it is in no peer store, is told to nobody, and its health is nobody's business.
 */
import type { Clock } from "../core/clock.ts";
import { ExitCode, WgmeshError } from "../core/errors.ts";
import { isInCidr } from "../core/ipKind.ts";
import type { IpAddress, PublicKey } from "../core/types.ts";
import { type ClientNetworks, clientAddresses } from "./clientNetworks.ts";

export interface Client {
  readonly name: string;
  readonly publicKey: PublicKey;
  readonly ip: IpAddress;
  readonly ipv6: IpAddress | null;
  /** Unix time in milliseconds. */
  readonly addedMs: number;
}

export interface ClientBookOptions {
  readonly clock: Pick<Clock, "wallMs">;
  readonly networks: ClientNetworks;
  /** Those of the last run. */
  readonly clients?: readonly Client[];
  /** Who else has the key, in words ("this node", "member alpha"); null for nobody. */
  readonly holderOf?: (publicKey: PublicKey) => string | null;
  /** Has all of them on the disk when it returns; what it throws leaves the book as it was. */
  readonly save?: (clients: readonly Client[]) => void;
}

export interface ClientEvent {
  readonly type: "added" | "removed";
  readonly client: Client;
}

/** A /24 has no more, and every one is a peer of the interface. */
export const MAX_CLIENTS = 250;
export const CLIENT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
/** The first host is left to who wants an address for the gateway. */
const FIRST_HOST = 2;
const NO_KEY = `${"A".repeat(43)}=`;

/** Calls are synchronous: what they return is on the disk, and the listeners know of it. */
export class ClientBook {
  readonly networks: ClientNetworks;
  readonly #options: ClientBookOptions;
  readonly #listeners = new Set<(event: ClientEvent) => void>();
  /** Frozen, replaced whole. */
  #clients: readonly Client[];

  constructor(options: ClientBookOptions) {
    this.#options = options;
    this.networks = options.networks;
    this.#clients = Object.freeze([...(options.clients ?? [])]);
  }

  /** In the order in which they were added; the same array until something changes. */
  list(): readonly Client[] {
    return this.#clients;
  }

  /**
   * Gives the device the first free address. May take some tens of milliseconds, for the disk.
   *
   * Throws ERR_CLIENT when the name is taken or none, the key is a client's, a member's or this node's, the network is full or there
   * are {@link MAX_CLIENTS}; ERR_STATE_WRITE when it could not be kept. Nothing has changed then.
   */
  add(name: string, publicKey: PublicKey): Client {
    const { clock } = this.#options;
    this.#check(name, publicKey);
    const client = { name, publicKey, ...this.#freeAddresses(), addedMs: clock.wallMs() };
    this.#replace([...this.#clients, Object.freeze(client)]);
    this.#tell({ type: "added", client });
    return client;
  }

  /** Throws ERR_CLIENT when there is none of that name, and ERR_STATE_WRITE as {@link add}. */
  remove(name: string): Client {
    const client = this.#clients.find((known) => known.name === name);
    if (client === undefined) {
      throw new WgmeshError("ERR_CLIENT", `there is no client ${JSON.stringify(name)}`, {
        exitCode: ExitCode.notFound,
      });
    }
    this.#replace(this.#clients.filter((known) => known !== client));
    this.#tell({ type: "removed", client });
    return client;
  }

  /** Calls back after each change; the returned function ends that. */
  subscribe(listener: (event: ClientEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Clients whose address is of another network than the present one: nobody could answer them. */
  strays(): Client[] {
    return this.#clients.filter(({ ip }) => !isInCidr(ip, this.networks.ipv4));
  }

  #check(name: string, publicKey: PublicKey): void {
    if (!CLIENT_NAME.test(name)) {
      throw new WgmeshError("ERR_CLIENT", `${JSON.stringify(name)} is no name for a client`, {
        hint: "use a letter or digit, then letters, digits, '.', '_' or '-', 63 characters at most",
      });
    }
    if (this.#clients.some((known) => known.name === name)) {
      throw new WgmeshError("ERR_CLIENT", `there is a client ${name} already`, {
        hint: `choose another name, or take it away with 'wgmesh client remove ${name}'`,
      });
    }
    const holder = this.#holderOf(publicKey);
    if (holder !== null) {
      throw new WgmeshError("ERR_CLIENT", `the key ${publicKey} is that of ${holder}`, {
        hint: "give every device a key pair of its own",
      });
    }
    if (publicKey === NO_KEY) {
      throw new WgmeshError("ERR_CLIENT", "a key of zeros alone is none", {
        hint: "use the public key that the device shows, or 'wg pubkey'",
      });
    }
    if (this.#clients.length >= MAX_CLIENTS) {
      throw new WgmeshError("ERR_CLIENT", `there are ${MAX_CLIENTS} clients, the most a node can have`, {
        hint: "remove one, or add it on another node",
      });
    }
  }

  #holderOf(publicKey: PublicKey): string | null {
    const client = this.#clients.find((known) => known.publicKey === publicKey);
    return client === undefined ? (this.#options.holderOf?.(publicKey) ?? null) : `the client ${client.name}`;
  }

  #freeAddresses(): Pick<Client, "ip" | "ipv6"> {
    const taken = new Set(this.#clients.flatMap(({ ip, ipv6 }) => [ip, ipv6]));
    for (let host = FIRST_HOST; ; host += 1) {
      const addresses = clientAddresses(this.networks, host);
      if (addresses === null) {
        throw new WgmeshError("ERR_CLIENT", `the client network ${this.networks.ipv4} is full`, {
          hint: "remove a client, or choose a larger one with --client-network",
        });
      }
      const { ip, ipv6 } = addresses;
      if (!taken.has(ip) && (ipv6 === null || !taken.has(ipv6))) return addresses;
    }
  }

  #replace(clients: readonly Client[]): void {
    this.#options.save?.(clients);
    this.#clients = Object.freeze(clients);
  }

  #tell(event: ClientEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}
