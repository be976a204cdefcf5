/**
 * What must hold of announcements by stem and fluff (`src/privacy`) in a simulated mesh: no message of a private node names a third
 * one, no announcement goes round and round, and what is announced reaches everybody.
 */
import { memberSealer } from "./world/identities.ts";
import type { SimNode } from "./world/node.ts";

/** The whole stem, the longest patience of the fail-safe that is likely, and the way to everybody. */
export const REACHES_WITHIN_MS = 60_000;
const NAMING = ["HELLO", "REPLY", "ANNOUNCE"];

interface Announced {
  readonly atMs: number;
  /** Who was up when it was made, in that run. */
  readonly audience: ReadonlyMap<SimNode, SimNode["run"]>;
  readonly reached: Set<SimNode>;
}

export class PrivacyWatch {
  readonly #nowMs: () => number;
  readonly #found: (what: string) => void;
  /** How often each run has sent what: nonce, phase and receiver. */
  readonly #sent = new WeakMap<object, Map<string, number>>();
  /** Handshakes of each run, by the mesh address of the other. */
  readonly #handshakes = new WeakMap<object, Map<string, number>>();
  readonly #announced = new Map<string, Announced>();
  #nodes: readonly SimNode[] = [];

  constructor(nowMs: () => number, found: (what: string) => void) {
    this.#nowMs = nowMs;
    this.#found = found;
  }

  /** Those that may be reached. */
  watch(nodes: readonly SimNode[]): void {
    this.#nodes = nodes;
  }

  /** How many announcements were made, as far as they were sent. */
  get announcements(): number {
    return this.#announced.size;
  }

  /** A datagram of discovery leaves a member, to the network or into a tunnel. */
  sent(node: SimNode, data: Buffer, to: string): void {
    const { type, ciphertext } = JSON.parse(data.toString()) as { type: string; ciphertext: string };
    const payload = memberSealer.open(Buffer.alloc(0), Buffer.from(ciphertext, "base64"));
    if (payload === null) return;
    const text = payload.toString();
    if (NAMING.includes(type) && node.settings.isPrivate === true && text.includes('"known_peers"'))
      this.#found(`member ${node.index} is private and names others in a ${type}`);
    if (type !== "DANDELION" || node.run === null) return;
    const { nonce, fluff } = JSON.parse(text) as { nonce: string; fluff: boolean };
    const times = count(this.#sent, node.run, `${nonce} ${fluff} ${to}`);
    // A neighbour is told the last ones when its tunnel comes up, and when it is known which run of it that is.
    const tunnels = Math.max(1, this.#handshakes.get(node.run)?.get(to) ?? 0);
    if (times > 2 * tunnels)
      this.#found(`member ${node.index} sends ${to} an announcement ${times} times in ${tunnels} tunnels`);
    this.#reached(nonce, node);
  }

  /** A tunnel of a member came up, or has new keys. */
  shookHands(node: SimNode, meshIp: string): void {
    if (node.run !== null) count(this.#handshakes, node.run, meshIp);
  }

  /** An announcement came out of the tunnel and passed the receive path. */
  received(node: SimNode, nonce: string): void {
    this.#reached(Buffer.from(nonce, "hex").toString("base64"), node);
  }

  /** Announcements of `fromMs` or later that had time to reach everybody and did not. */
  lost(fromMs: number): string[] {
    const lost: string[] = [];
    for (const [nonce, { atMs, audience, reached }] of this.#announced) {
      if (atMs < fromMs || atMs + REACHES_WITHIN_MS > this.#nowMs()) continue;
      for (const [node, run] of audience)
        if (node.run === run && !reached.has(node))
          lost.push(`announcement ${nonce} of ${atMs} ms has not reached member ${node.index}`);
    }
    return lost;
  }

  #reached(nonce: string, node: SimNode): void {
    let announced = this.#announced.get(nonce);
    if (announced === undefined) {
      const up = this.#nodes.filter(({ run }) => run !== null);
      const audience = new Map(up.map((other) => [other, other.run]));
      announced = { atMs: this.#nowMs(), audience, reached: new Set() };
      this.#announced.set(nonce, announced);
    }
    announced.reached.add(node);
  }
}

function count(counts: WeakMap<object, Map<string, number>>, run: object, what: string): number {
  const ofRun = counts.get(run) ?? new Map<string, number>();
  counts.set(run, ofRun);
  const times = (ofRun.get(what) ?? 0) + 1;
  ofRun.set(what, times);
  return times;
}
