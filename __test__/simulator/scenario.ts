/**
 * What happens to a simulated mesh, drawn from one number: who is where and finds others how, when nodes start, and what goes wrong
 * when. Pure.
 */
import { seededRandom } from "../unit/support/seededRandom.ts";
import type { Weather } from "./world/network.ts";

/** One member as it begins. */
export interface Member {
  readonly lan: number;
  readonly startMs: number;
  readonly clockErrorMs: number;
  /** Networks it advertises. */
  readonly networks: readonly string[];
  /** Members that its operator named. */
  readonly named: readonly number[];
  /** `--privacy`; absent in a mesh that knows nothing of stem and fluff. */
  readonly isPrivate?: boolean;
}

export type Fault =
  /** kill -9, and started again after `downMs`; null for never. */
  | { readonly kind: "crash"; readonly node: number; readonly downMs: number | null }
  /** The orderly end with a goodbye, and started again after `downMs`; null for never. */
  | { readonly kind: "leave"; readonly node: number; readonly downMs: number | null }
  /** Another address, on that LAN. */
  | { readonly kind: "move"; readonly node: number; readonly lan: number }
  /** These are cut off from all others, not from each other. */
  | { readonly kind: "partition"; readonly nodes: readonly number[]; readonly forMs: number }
  | { readonly kind: "unplug"; readonly node: number; readonly forMs: number }
  | { readonly kind: "weather"; readonly weather: Weather; readonly forMs: number }
  /** The wall clock is set. */
  | { readonly kind: "clock"; readonly node: number; readonly errorMs: number };

export interface Scenario {
  readonly seed: number;
  readonly weather: Weather;
  readonly lans: number;
  /** Whether multicast and the DHT help. */
  readonly multicast: boolean;
  readonly dht: boolean;
  readonly members: readonly Member[];
  readonly faults: readonly { readonly atMs: number; readonly fault: Fault }[];
  /** When the last fault is over: from then on nothing but the weather of always disturbs. */
  readonly calmFromMs: number;
}

/** How far wall clocks are wrong at most: two of them may differ by twice that, and the protocol takes ten minutes. */
const MOST_CLOCK_ERROR_MS = 4.5 * 60_000;
const STARTS_WITHIN_MS = 3_000;
const FAULTS_FROM_MS = 5_000;
const FAULTS_WITHIN_MS = 20_000;
/** What goes wrong for a while does so for as long as this at most. */
const LASTS_MS = 20_000;
/** Meshes in which all announce themselves by stem and fluff, or half of them: each datagram is read in them, so they take four times as long. */
const PRIVATE_SCENARIOS = 0.03;

/** The same number and size give the same scenario. */
export function makeScenario(seed: number, nodes: number): Scenario {
  const random = seededRandom(`scenario ${seed} of ${nodes}`);
  const below = (count: number): number => Math.floor(random.unit() * count);
  const between = (least: number, most: number): number => Math.round(least + random.unit() * (most - least));
  const chance = (share: number): boolean => random.unit() < share;
  const oneOf = <T>(all: readonly T[]): T => all[below(all.length)] as T;

  // Small meshes are on one LAN or on up to six, large ones on LANs of fifty.
  const lans = Math.max(Math.ceil(nodes / 50), oneOf([1, 2, 3, 4, 6]));
  const multicast = lans === 1 || chance(0.7);
  const dht = !multicast || chance(0.5);
  const named = dht ? [] : [0, 1];
  const weather = (worst: number): Weather => {
    const slowest = between(5, 200);
    return { loss: random.unit() * worst, delayMs: [1, slowest] };
  };
  // Drawn apart, so that the rest of a seed is the same with and without.
  const privacy = seededRandom(`privacy ${seed} of ${nodes}`);
  const privateShare = privacy.unit() < PRIVATE_SCENARIOS ? (privacy.unit() < 0.5 ? 1 : 0.5) : 0;
  const members = Array.from({ length: nodes }, (_, index) => ({
    lan: below(lans),
    startMs: chance(0.7) ? below(STARTS_WITHIN_MS) : 0,
    clockErrorMs: chance(0.3) ? between(-MOST_CLOCK_ERROR_MS, MOST_CLOCK_ERROR_MS) : 0,
    networks: chance(0.4) ? [`10.200.${index % 250}.0/24`] : [],
    named: named.filter((other) => other !== index),
    ...(privateShare > 0 ? { isPrivate: privacy.unit() < privateShare } : {}),
  }));

  const node = (): number => below(nodes);
  const makers: readonly (() => Fault)[] = [
    () => ({ kind: "crash", node: node(), downMs: between(200, LASTS_MS) }),
    () => ({ kind: "crash", node: node(), downMs: null }),
    () => ({ kind: "leave", node: node(), downMs: between(500, LASTS_MS) }),
    () => ({ kind: "leave", node: node(), downMs: null }),
    () => ({ kind: "move", node: node(), lan: below(lans) }),
    () => ({ kind: "unplug", node: node(), forMs: between(1_000, LASTS_MS) }),
    () => ({ kind: "weather", weather: weather(0.3), forMs: between(5_000, LASTS_MS) }),
    () => ({ kind: "clock", node: node(), errorMs: between(-MOST_CLOCK_ERROR_MS, MOST_CLOCK_ERROR_MS) }),
    () => {
      const cut = between(1, Math.max(1, Math.floor(nodes / 2)));
      const nodesCut = Array.from({ length: cut }, node);
      return { kind: "partition", nodes: [...new Set(nodesCut)], forMs: between(2_000, LASTS_MS) };
    },
  ];
  const faults = Array.from({ length: between(2, 6) }, () => ({
    atMs: FAULTS_FROM_MS + below(FAULTS_WITHIN_MS),
    fault: oneOf(makers)(),
  })).sort((a, b) => a.atMs - b.atMs);
  const ends = faults.map(({ atMs, fault }) => atMs + durationMs(fault));
  return {
    ...{ seed, lans, multicast, dht, members, faults, weather: weather(chance(0.5) ? 0 : 0.05) },
    calmFromMs: Math.max(FAULTS_FROM_MS, ...ends),
  };
}

function durationMs(fault: Fault): number {
  switch (fault.kind) {
    case "crash":
    case "leave":
      return fault.downMs ?? 0;
    case "partition":
    case "unplug":
    case "weather":
      return fault.forMs;
    case "move":
    case "clock":
      return 0;
  }
}

/** One line for a person. */
export function describeFault(fault: Fault): string {
  switch (fault.kind) {
    case "crash":
    case "leave": {
      const back = fault.downMs === null ? "for good" : `for ${fault.downMs} ms`;
      return `member ${fault.node} ${fault.kind === "crash" ? "crashes" : "leaves"} ${back}`;
    }
    case "move":
      return `member ${fault.node} moves to LAN ${fault.lan}`;
    case "unplug":
      return `member ${fault.node} is unplugged for ${fault.forMs} ms`;
    case "partition":
      return `members ${fault.nodes.join(" ")} are cut off for ${fault.forMs} ms`;
    case "weather": {
      const { loss, delayMs } = fault.weather;
      return `${(100 * loss).toFixed(0)} % are lost and take up to ${delayMs[1]} ms for ${fault.forMs} ms`;
    }
    case "clock":
      return `the clock of member ${fault.node} is set to ${fault.errorMs} ms off`;
  }
}
