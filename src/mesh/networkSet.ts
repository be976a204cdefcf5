import { isIPv4 } from "node:net";
import ipaddr from "ipaddr.js";
import { ipv4Bytes } from "../core/ipv4.ts";

interface Node {
  /** A network of the set ends here. */
  member: boolean;
  /** How many end here or below. */
  members: number;
  children: [Node | null, Node | null];
}

const newNode = (): Node => ({ member: false, members: 0, children: [null, null] });

/**
 * A set of IP networks that answers overlap questions in at most 128 steps, however many it holds: a hostile member of
 * the mesh can advertise a hundred thousand of them, and comparing each with each would stall the daemon.
 */
export class NetworkSet {
  readonly #v4 = newNode();
  readonly #v6 = newNode();

  constructor(networks: Iterable<string> = []) {
    for (const network of networks) this.add(network);
  }

  /** Adds a network in CIDR text; one that is in it already changes nothing. */
  add(network: string): void {
    const { bytes, prefix } = split(network);
    let node = this.#root(bytes);
    const way = [node];
    for (let depth = 0; depth < prefix; depth += 1) {
      const side = bitAt(bytes, depth);
      node = node.children[side] ??= newNode();
      way.push(node);
    }
    if (node.member) return;
    node.member = true;
    for (const passed of way) passed.members += 1;
  }

  /** How many members share at least one address with the network. */
  countOverlapping(network: string): number {
    const { bytes, prefix } = split(network);
    let node: Node | null = this.#root(bytes);
    let count = 0;
    for (let depth = 0; depth < prefix && node !== null; depth += 1) {
      if (node.member) count += 1;
      node = node.children[bitAt(bytes, depth)];
    }
    return count + (node?.members ?? 0);
  }

  /** True when a member shares at least one address with the network: it holds it, or lies inside it. */
  overlaps(network: string): boolean {
    return this.#reaches(network, true);
  }

  /** True when a member holds the whole network, or the address. */
  covers(network: string): boolean {
    return this.#reaches(network, false);
  }

  #reaches(network: string, orLiesInside: boolean): boolean {
    const { bytes, prefix } = split(network);
    let node: Node | null = this.#root(bytes);
    for (let depth = 0; depth < prefix && node !== null; depth += 1) {
      if (node.member) return true;
      node = node.children[bitAt(bytes, depth)];
    }
    if (node === null) return false;
    // Nodes exist only on the way to a member, so a node with children has one below it.
    return node.member || (orLiesInside && node.children.some((child) => child !== null));
  }

  #root(bytes: readonly number[]): Node {
    return bytes.length === 4 ? this.#v4 : this.#v6;
  }
}

/** The host part and the prefix length; an address without one is a network of itself. */
function split(network: string): { bytes: readonly number[]; prefix: number } {
  const slash = network.indexOf("/");
  const host = slash < 0 ? network : network.slice(0, slash);
  const bytes = isIPv4(host) ? ipv4Bytes(host) : ipaddr.parse(host).toByteArray();
  return { bytes, prefix: slash < 0 ? bytes.length * 8 : Number(network.slice(slash + 1)) };
}

const bitAt = (bytes: readonly number[], index: number): 0 | 1 =>
  (((bytes[index >> 3] ?? 0) >> (7 - (index & 7))) & 1) as 0 | 1;
