/**
 * The first-spy attacker (Fanti et al. 2018): some members are spies who follow the rules and put together what they see. For each
 * announcement they name as its maker whoever first handed it to one of them. They are judged as if an announcement did not say whose
 * it is; what is measured is what the way gives away.
 *
 * Stem and fluff run on the routers of the daemon; plain gossip on its list of news (discovery/rumours.ts), told as discovery/gossip.ts does.
 */
import type { Random } from "../../src/core/random.ts";
import type { PublicKey } from "../../src/core/types.ts";
import { Rumours } from "../../src/discovery/rumours.ts";
import { EPOCH_MS } from "../../src/privacy/epoch.ts";
import { type Arrival, Network } from "./network.ts";
import { Schedule } from "./schedule.ts";

export interface Attack {
  readonly nodes: number;
  /** Share of the nodes, 0 to 1. */
  readonly spies: number;
  readonly announcements: number;
}

export interface Outcome {
  /** Share of the announcements whose maker the spies name. */
  readonly success: number;
  /** Share of which they know for certain that they are right. */
  readonly certain: number;
  /** Messages for one announcement and node. */
  readonly messages: number;
  /** Until the last node has it, seconds, the median of the announcements. */
  readonly seconds: number;
}

export type Way = "plain gossip" | "fluff alone" | "stem and fluff";

export function firstSpy(way: Way, attack: Attack, random: Random): Outcome {
  return way === "plain gossip" ? againstGossip(attack, random) : againstRouters(way, attack, random);
}

/** The nodes by number; the last ones are the spies, since numbers mean nothing. */
function cast({ nodes, spies }: Attack): {
  readonly honest: number;
  readonly isSpy: (node: number) => boolean;
} {
  const honest = nodes - Math.round(nodes * spies);
  return { honest, isSpy: (node) => node >= honest };
}

const pick = (count: number, random: Random): number => Math.floor(random.unit() * count);

function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function againstRouters(way: "fluff alone" | "stem and fluff", attack: Attack, random: Random): Outcome {
  const { honest, isSpy } = cast(attack);
  const all = Array.from({ length: attack.nodes }, (_, node) => node);
  let first: Arrival | null = null;
  const network = new Network({
    // As in a mesh that stands: a tunnel for each pair.
    graph: all.map((node) => all.filter((other) => other !== node)),
    random,
    delayMs: () => 10 + 40 * random.unit(),
    arrived: (arrival) => {
      if (first === null && isSpy(arrival.to) && !isSpy(arrival.from)) first = arrival;
    },
  });
  let right = 0;
  let certain = 0;
  const seconds: number[] = [];
  for (let count = 0; count < attack.announcements; count += 1) {
    network.advance(EPOCH_MS);
    const origin = pick(honest, random);
    const startMs = network.nowMs;
    first = null;
    const nonce = network.announce(origin, way);
    network.run();
    const seen = first as Arrival | null;
    if (seen?.from === origin) right += 1;
    // Only a maker sends the least hop count.
    if (seen !== null && !seen.message.fluff && seen.message.hopCount === 0) certain += 1;
    const times = [...(network.learned.get(nonce)?.values() ?? [])];
    if (times.length === attack.nodes) seconds.push((Math.max(...times) - startMs) / 1000);
  }
  return {
    success: right / attack.announcements,
    certain: certain / attack.announcements,
    messages: network.sent / attack.announcements / attack.nodes,
    seconds: median(seconds),
  };
}

/** PROTOCOL.md section 12; the pace while there is news. */
const ROUND_MS = 10_000;
const JITTER = 0.2;
const NEWS_A_MESSAGE = 2;

/**
 * Every node tells one other each 10 s: what is true of itself, and first what is new. Whoever hears the maker itself knows it, since gossip is
 * the sender's own word with a proof.
 */
function againstGossip(attack: Attack, random: Random): Outcome {
  const { honest, isSpy } = cast(attack);
  let right = 0;
  let messages = 0;
  const seconds: number[] = [];
  for (let count = 0; count < attack.announcements; count += 1) {
    const origin = pick(honest, random);
    const about = `node ${origin}` as PublicKey;
    const news = new Map([[origin, rumour(about, attack.nodes)]]);
    let firstTeller: number | null = null;
    const rounds = new Schedule<number>();
    for (let node = 0; node < attack.nodes; node += 1) rounds.add(random.unit() * ROUND_MS, node);
    for (let round = rounds.take(); round !== null && news.size < attack.nodes; round = rounds.take()) {
      const { atMs, what: node } = round;
      rounds.add(atMs + ROUND_MS * (1 - JITTER + 2 * JITTER * random.unit()), node);
      const told = news.get(node)?.inOrder().slice(0, NEWS_A_MESSAGE) ?? [];
      if (told.length === 0 && node !== origin) continue;
      const to = (node + 1 + pick(attack.nodes - 1, random)) % attack.nodes;
      messages += 1;
      for (const publicKey of told) news.get(node)?.told(publicKey);
      if (isSpy(to) && !isSpy(node)) firstTeller ??= node;
      if (!news.has(to)) news.set(to, rumour(about, attack.nodes));
      if (news.size === attack.nodes) seconds.push(atMs / 1000);
    }
    if (firstTeller === origin) right += 1;
  }
  return {
    success: right / attack.announcements,
    certain: right / attack.announcements,
    messages: messages / attack.announcements / attack.nodes,
    seconds: median(seconds),
  };
}

function rumour(about: PublicKey, nodes: number): Rumours {
  const rumours = new Rumours();
  rumours.add(about, nodes);
  return rumours;
}
