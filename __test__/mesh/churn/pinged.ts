/** Pings among those that nothing happens to: none of them may be lost, whatever the others go through. */
import { type PeerJson, testBackend } from "../harness/node.ts";
import { SteadyPing } from "../harness/ping.ts";
import type { Churned } from "./churned.ts";

/** Whoever an event happened to counts as untouched after so many further ones. */
const EVENTS_TO_SETTLE = 2;
const EVERY_MS = 50;

export interface LostPing {
  readonly name: string;
  readonly sent: number;
  readonly lost: readonly number[];
}

interface Pair {
  readonly name: string;
  readonly ping: SteadyPing;
}

export class Pinged {
  readonly #touched = new Map<Churned, number>();
  #pairs: Pair[] = [];
  #events = 0;
  #sent = 0;
  #relayed = 0;

  /** Before something happens to `touched`. */
  async begin(live: readonly Churned[], touched: Churned): Promise<void> {
    this.#events += 1;
    this.#touched.set(touched, this.#events);
    const settled = live.filter((node) => this.#isSettled(node));
    const pairs = await Promise.all(
      ring(settled).map(async ([from, to]) => ({ from, to, relay: await relayOf(from, to) })),
    );
    // Whatever happens to a relay happens to those whose packets it carries: they find another in seconds.
    const keys = new Set<string | null>([null, ...settled.map(({ known }) => known.pubkey)]);
    const untouched = pairs.filter(({ relay }) => keys.has(relay));
    this.#relayed += untouched.filter(({ relay }) => relay !== null).length;
    this.#pairs = untouched
      // The kernel's WireGuard follows what is left of a relay: a change to the direct path may cost what is on its way.
      .filter(({ relay }) => testBackend !== "kernel" || relay === null)
      .map(({ from, to }) => ({
        name: `${from.name} to ${to.name}`,
        ping: new SteadyPing(from.node, to.known.mesh_ip, EVERY_MS),
      }));
  }

  /** What was lost, of all pairs. */
  async finish(): Promise<LostPing[]> {
    const counts = await Promise.all(
      this.#pairs.map(async ({ name, ping }) => ({ name, ...(await ping.finish()) })),
    );
    this.#pairs = [];
    this.#sent += counts.reduce((sum, { sent }) => sum + sent, 0);
    return counts.filter(({ lost, sent }) => lost.length > 0 || sent === 0);
  }

  /** All agree, so these are as good as untouched. */
  settled(nodes: readonly Churned[]): void {
    for (const node of nodes) this.#touched.delete(node);
  }

  summary(): string {
    return `${this.#sent} pings between nodes that nothing happened to, ${this.#relayed} times over a relay`;
  }

  #isSettled(node: Churned): boolean {
    const event = this.#touched.get(node);
    return event === undefined || this.#events - event > EVENTS_TO_SETTLE;
  }
}

/** Each and the one after it. */
function ring(nodes: readonly Churned[]): [Churned, Churned][] {
  if (nodes.length < 2) return [];
  return nodes.map((node, index) => [node, nodes[(index + 1) % nodes.length] as Churned]);
}

/** The public key of the node of ours that passes on the pair's packets, null when there is none. */
async function relayOf(from: Churned, to: Churned): Promise<string | null> {
  const { peers } = await from.node.rpc<{ peers: PeerJson[] }>("peers.list");
  return peers.find(({ pubkey }) => pubkey === to.known.pubkey)?.relay ?? null;
}
