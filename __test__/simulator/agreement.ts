import type { SimNode } from "./world/node.ts";

/**
 * Looks for what still keeps a simulated mesh from being one: every two live members that reach each other have a record of each
 * other's present run and address, a session in common, and an endpoint that leads to where the other is now.
 *
 * Pairs are looked at in a fixed order, beginning with the one that was found lacking last: while a mesh forms, a look costs next to nothing.
 */
export class Agreement {
  readonly #nodes: readonly SimNode[];
  readonly #reaches: (a: SimNode, b: SimNode) => boolean;
  readonly #isWanted: (node: SimNode, peer: SimNode) => boolean;
  #from = 0;
  /** When a pair was first seen to lack something that it still lacks. */
  readonly #since = new Map<number, number>();

  /** @param isWanted false where one need not know the other, as with views that are full. */
  constructor(
    nodes: readonly SimNode[],
    reaches: (a: SimNode, b: SimNode) => boolean,
    isWanted: (node: SimNode, peer: SimNode) => boolean = () => true,
  ) {
    this.#nodes = nodes;
    this.#reaches = reaches;
    this.#isWanted = isWanted;
  }

  /** In words, or null when all agree now. */
  lacks(): string | null {
    const pairs = this.#nodes.length ** 2;
    for (let seen = 0; seen < pairs; seen += 1) {
      const place = (this.#from + seen) % pairs;
      const lacks = this.#lacksAt(place);
      if (lacks === null) continue;
      this.#from = place;
      return lacks;
    }
    return null;
  }

  /** What a pair has lacked for longer than `mostMs`, in words, or null. To be asked again and again. */
  lacksSince(nowMs: number, mostMs: number): string | null {
    let found: string | null = null;
    for (let place = 0; place < this.#nodes.length ** 2; place += 1) {
      const lacks = this.#lacksAt(place);
      if (lacks === null) this.#since.delete(place);
      else {
        const sinceMs = this.#since.get(place) ?? nowMs;
        this.#since.set(place, sinceMs);
        if (nowMs - sinceMs > mostMs) found ??= `${lacks}, for ${nowMs - sinceMs} ms`;
      }
    }
    return found;
  }

  #lacksAt(place: number): string | null {
    const { length } = this.#nodes;
    const node = this.#nodes[Math.floor(place / length)] as SimNode;
    const peer = this.#nodes[place % length] as SimNode;
    if (peer === node || node.run === null || peer.run === null) return null;
    if (!this.#reaches(node, peer) || !this.#isWanted(node, peer)) return null;
    const lacks = whatLacks(node, peer);
    return lacks === null ? null : `member ${node.index} of member ${peer.index}: ${lacks}`;
  }
}

function whatLacks(node: SimNode, peer: SimNode): string | null {
  const { run } = node;
  const { run: other } = peer;
  if (run === null || other === null) return null;
  const record = run.store.get(peer.key);
  if (record === undefined) return "no record";
  if (record.instance !== other.instance) return "the record of an earlier run";
  const { meshIp, meshIpv6 } = other.self.snapshot;
  if (record.meshIp !== meshIp || record.meshIpv6 !== meshIpv6)
    return `has ${record.meshIp} in place of ${meshIp}`;
  const actual = run.device.peers.get(peer.key);
  if (actual === undefined) return "not on the interface";
  for (const ip of [`${meshIp}/32`, `${meshIpv6}/128`, ...peer.settings.networks])
    if (!actual.allowedIps.includes(ip)) return `no allowed IP ${ip}`;
  if (actual.endpoint?.host !== peer.host.ip)
    return `sends to ${actual.endpoint?.host} in place of ${peer.host.ip}`;
  const ours = run.device.session(peer.key)?.id;
  if (ours === undefined) return "no session";
  // While a session follows another, one end has it first.
  if (!other.device.knowsSession(node.key, ours)) return "the other end does not know the session";
  return null;
}

/** Records of members that are down, as `member of member`. */
export function recordsOfTheDead(nodes: readonly SimNode[]): string[] {
  const dead = nodes.filter(({ run }) => run === null);
  return nodes.flatMap((node) =>
    dead
      .filter((peer) => node.run?.store.get(peer.key) !== undefined)
      .map((peer) => `member ${node.index} of member ${peer.index}`),
  );
}
