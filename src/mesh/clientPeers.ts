/**
 * What the clients of this node add to what its interface should hold: an entry each, and the routes to their networks.
 */
import { isInCidr } from "../core/ipKind.ts";
import type { Cidr, IpAddress, PublicKey } from "../core/types.ts";
import type { ClientBook } from "../peers/clients.ts";
import type { LocalNodeSnapshot } from "../peers/localNode.ts";
import type { WantedPeer } from "../wireguard/backend.ts";

export class ClientPeers {
  readonly #book: Pick<ClientBook, "list" | "networks">;
  #list: unknown = null;
  #keys: ReadonlySet<PublicKey> = new Set();

  constructor(book: Pick<ClientBook, "list" | "networks">) {
    this.#book = book;
  }

  /** Whether the key is a client's: whoever announces it as a member gets neither its entry nor routes. */
  has(publicKey: PublicKey): boolean {
    const clients = this.#book.list();
    if (clients !== this.#list) {
      this.#keys = new Set(clients.map((client) => client.publicKey));
      this.#list = clients;
    }
    return this.#keys.has(publicKey);
  }

  /** Those of the peers that are members, or strangers. */
  others<Peer extends { readonly publicKey: PublicKey }>(peers: readonly Peer[]): readonly Peer[] {
    return this.#book.list().length === 0 ? peers : peers.filter(({ publicKey }) => !this.has(publicKey));
  }

  /**
   * A client calls when it wants something, and WireGuard learns where it is from its packets: there is no endpoint to set, and no
   * keepalive that would drain its battery. One without an address in the present networks is left out: nobody could answer it.
   */
  wanted(own: Pick<LocalNodeSnapshot, "meshIpv6">): WantedPeer[] {
    const { ipv4, ipv6 } = this.#book.networks;
    return this.#book
      .list()
      .filter((client) => isInCidr(client.ip, ipv4))
      .map((client) => {
        const long = own.meshIpv6 !== null && ipv6 !== null && client.ipv6 !== null ? client.ipv6 : null;
        const allowedIps = [hostNetwork(client.ip)];
        if (long !== null && ipv6 !== null && isInCidr(long, ipv6)) allowedIps.push(hostNetwork(long));
        const { publicKey } = client;
        return { publicKey, endpoint: null, allowedIps, keepaliveSeconds: 0, presharedKey: "own" };
      });
  }

  /** What leads into the interface, and what others are told: nothing without a client. */
  networks(own: Pick<LocalNodeSnapshot, "meshIpv6">): Cidr[] {
    const { ipv4, ipv6 } = this.#book.networks;
    if (this.#book.list().length === 0) return [];
    return ipv6 === null || own.meshIpv6 === null ? [ipv4] : [ipv4, ipv6];
  }
}

const hostNetwork = (address: IpAddress): Cidr => `${address}/${address.includes(":") ? 128 : 32}` as Cidr;
