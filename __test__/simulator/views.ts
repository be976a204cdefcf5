import { indexOf } from "./world/identities.ts";
import type { SimNode } from "./world/node.ts";

/** Of the places in a view that is full, so many must lead somewhere: the others are of peers whose own view has no place for us. */
const LEAST_SHARE = 0.25;

/**
 * Looks for what keeps a mesh with capped views from being one. Not everybody knows everybody there, so it is one when every node has a
 * full view, working tunnels (a session that both ends know) to a quarter as many peers as that has places, and the tunnels connect all
 * nodes.
 */
export class Views {
  readonly #nodes: readonly SimNode[];
  readonly #places: number;
  readonly #least: number;
  #from = 0;

  constructor(nodes: readonly SimNode[], maxPeers: number) {
    this.#nodes = nodes;
    this.#places = Math.min(maxPeers, nodes.length - 1);
    this.#least = Math.ceil(this.#places * LEAST_SHARE);
  }

  /** In words, or null for one mesh. The node that was found lacking last is looked at first. */
  lacks(): string | null {
    const { length } = this.#nodes;
    for (let seen = 0; seen < length; seen += 1) {
      const place = (this.#from + seen) % length;
      const node = this.#nodes[place] as SimNode;
      const count = this.tunnels(node).length;
      const known = node.run?.store.size ?? 0;
      if (count >= this.#least && known >= this.#places) continue;
      this.#from = place;
      if (known < this.#places) return `member ${node.index} knows ${known} of ${this.#places}`;
      return `member ${node.index} has ${count} tunnels, ${this.#least} are wanted`;
    }
    const apart = length - this.#connected();
    return apart === 0 ? null : `${apart} members are apart from the others`;
  }

  /** With whom the node has a session that both ends know. */
  tunnels(node: SimNode): SimNode[] {
    const { run } = node;
    if (run === null) return [];
    return [...run.device.peers.keys()].flatMap((key) => {
      const peer = this.#nodes[indexOf(key)];
      const ours = run.device.session(key)?.id;
      return peer?.run && ours !== undefined && peer.run.device.knowsSession(node.key, ours) ? [peer] : [];
    });
  }

  /** How many nodes the tunnels lead to from the first one, itself included. */
  #connected(): number {
    const first = this.#nodes[0];
    const reached = new Set(first === undefined ? [] : [first]);
    for (const node of reached) for (const peer of this.tunnels(node)) reached.add(peer);
    return reached.size;
  }
}
