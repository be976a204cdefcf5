/**
 * Runs a scenario to its end, or to the first thing that does not hold.
 */
import type { Cidr } from "../../src/core/types.ts";
import type { ReconcileSettings } from "../../src/mesh/reconcileSettings.ts";
import { seededRandom } from "../unit/support/seededRandom.ts";
import { Agreement, recordsOfTheDead } from "./agreement.ts";
import { Invariants } from "./invariants.ts";
import { PrivacyWatch } from "./privacyWatch.ts";
import { describeFault, type Fault, makeScenario, type Scenario } from "./scenario.ts";
import { SimDht } from "./world/dht.ts";
import { EventQueue } from "./world/eventQueue.ts";
import { meshAddresses } from "./world/identities.ts";
import { Network } from "./world/network.ts";
import { type Faults, GOSSIP_PORT, SimNode, type Surroundings } from "./world/node.ts";
import { TRACED, Trace } from "./world/trace.ts";

/** In virtual time, after the last fault: a stale session lives for three minutes, and a silent peer is asked ever more rarely. */
export const CONVERGES_WITHIN_MS = 240_000;
/**
 * So long the mesh is watched in peace, and so long a pair may differ in it. While nothing is lost: as a handshake takes to be repeated
 * twice. While some is lost: a handshake's last packet may be, which shuts one direction until the next keepalive (25 s), and that may be, too.
 */
const PEACE = {
  calm: { forMs: 15_000, differMs: 12_000 },
  lossy: { forMs: 75_000, differMs: 60_000 },
} as const;
/** After this nobody has a record of the dead: ten minutes without news (PROTOCOL.md section 10), looked at once a minute. */
const DEAD_FORGOTTEN_MS = 12 * 60_000;
const LOOK_MS = 1_000;
/** Cycles of the reconciler cost more than all else, so changes are gathered longer and the interface is looked at less often. */
const RECONCILE = { coalesceMs: 200, firstLookMs: 1_000, sweepMs: 15_000 };

export interface SimulationOptions {
  readonly nodes: number;
  readonly seed: number;
  /** Parts with a fault of the test's. */
  readonly faults?: Faults;
  readonly reconcile?: Partial<ReconcileSettings>;
  /** Waits until the dead are forgotten too. */
  readonly untilDeadForgotten?: boolean;
  /** Told what happens, one line each. */
  readonly tell?: (line: string) => void;
}

export interface Outcome {
  readonly seed: number;
  /** What did not hold, or null. */
  readonly failure: string | null;
  /** 16 hex digits of all that happened. */
  readonly hash: string;
  readonly events: number;
  /** Virtual time from the last fault until all agreed. */
  readonly convergedAfterMs: number | null;
  readonly virtualMs: number;
  /** Datagrams of discovery. */
  readonly busiestMinute: number;
  /** By stem and fluff. */
  readonly announcements: number;
}

export async function simulate(options: SimulationOptions): Promise<Outcome> {
  return await new Simulation(options).run();
}

/** What a person types to see the same run again. */
export function replayCommand({ seed, nodes }: Pick<SimulationOptions, "seed" | "nodes">): string {
  return `WGMESH_SIM_SEED=${seed} WGMESH_SIM_NODES=${nodes} npm run simulate`;
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #scenario: Scenario;
  readonly #queue = new EventQueue();
  readonly #trace = new Trace();
  readonly #network: Network;
  readonly #invariants: Invariants;
  readonly #nodes: SimNode[];
  readonly #agreement: Agreement;
  readonly #privacy: PrivacyWatch;
  /** Addresses given, by LAN. */
  readonly #hostsOf = new Map<number, number>();
  #groups = 0;
  #convergedAfterMs: number | null = null;

  constructor(options: SimulationOptions) {
    const { seed, nodes } = options;
    const random = (name: string) => seededRandom(`${name}, seed ${seed}`);
    this.#options = options;
    this.#scenario = makeScenario(seed, nodes);
    this.#network = new Network(this.#queue, random("network"), this.#trace);
    this.#network.weather = this.#scenario.weather;
    this.#invariants = new Invariants(() => this.#queue.nowMs, this.#trace, nodes);
    this.#privacy = new PrivacyWatch(
      () => this.#queue.nowMs,
      (what) => this.#invariants.found(what),
    );
    const isPrivate = this.#scenario.members.some((member) => member.isPrivate !== undefined);
    if (isPrivate) this.#invariants.listenWith(this.#privacy);
    const world: Surroundings = {
      ...{ queue: this.#queue, network: this.#network, random, addresses: meshAddresses() },
      dht: new SimDht(this.#queue, random("dht")),
      reconcile: { ...RECONCILE, ...options.reconcile },
      faults: options.faults ?? {},
    };
    const { members, multicast, dht } = this.#scenario;
    const hosts = members.map(({ lan }, index) => this.#network.addHost(index, this.#freshIp(lan)));
    this.#nodes = hosts.map((host, index) => {
      const { networks = [], named = [], clockErrorMs = 0, isPrivate } = members[index] ?? {};
      const staticPeers = named.map((other) => ({ host: hosts[other]?.ip ?? "", port: GOSSIP_PORT }));
      const node = new SimNode(world, this.#invariants, index, host, {
        networks: networks as readonly Cidr[],
        discovery: { lan: multicast, dht, staticPeers },
        isPrivate,
      });
      node.clockErrorMs = clockErrorMs;
      return node;
    });
    this.#privacy.watch(this.#nodes);
    this.#agreement = new Agreement(this.#nodes, (a, b) => this.#network.reaches(a.host, b.host));
  }

  async run(): Promise<Outcome> {
    const failure = await this.#play().then(
      () => null,
      (error: Error) => error.message,
    );
    for (const node of this.#nodes) node.crash();
    return {
      ...{ seed: this.#options.seed, failure, hash: this.#trace.hash, events: this.#trace.events },
      ...{ convergedAfterMs: this.#convergedAfterMs, virtualMs: this.#queue.nowMs },
      busiestMinute: this.#invariants.busiestMinute,
      announcements: this.#privacy.announcements,
    };
  }

  /** Rejects with what does not hold. */
  async #play(): Promise<void> {
    const { members, faults, calmFromMs } = this.#scenario;
    for (const [index, { startMs }] of members.entries())
      this.#queue.after(startMs, () => this.#nodes[index]?.start());
    for (const { atMs, fault } of faults) this.#queue.after(atMs, () => this.#strike(fault));
    await this.#advance(calmFromMs);
    await this.#converge();
    const peaceFromMs = this.#queue.nowMs;
    await this.#peace();
    this.#lookAtAnnouncements(peaceFromMs);
    if (this.#options.untilDeadForgotten !== true) return;
    await this.#advance(DEAD_FORGOTTEN_MS - PEACE.calm.forMs);
    this.#lookAtAnnouncements(peaceFromMs);
    const remembered = recordsOfTheDead(this.#nodes);
    if (remembered.length > 0) throw new Error(`records of the dead are left: ${remembered.join(", ")}`);
  }

  #lookAtAnnouncements(fromMs: number): void {
    const [lost] = this.#privacy.lost(fromMs);
    if (lost !== undefined) throw new Error(`${this.#queue.nowMs} ms: ${lost}`);
  }

  async #converge(): Promise<void> {
    const startMs = this.#queue.nowMs;
    let told: string | null = null;
    for (;;) {
      const lacks = this.#agreement.lacks();
      if (lacks !== null && lacks !== told) this.#tell(lacks);
      told = lacks;
      if (lacks === null) break;
      if (this.#queue.nowMs - startMs >= CONVERGES_WITHIN_MS)
        throw new Error(`${this.#queue.nowMs} ms: not one mesh yet: ${lacks}`);
      await this.#advance(LOOK_MS);
    }
    this.#convergedAfterMs = this.#queue.nowMs - startMs;
    this.#tell(`all agree ${this.#convergedAfterMs} ms after the last fault`);
  }

  /** With the weather of always. */
  async #peace(): Promise<void> {
    const { forMs, differMs } = this.#scenario.weather.loss === 0 ? PEACE.calm : PEACE.lossy;
    for (let passedMs = 0; passedMs < forMs; passedMs += LOOK_MS) {
      await this.#advance(LOOK_MS);
      const lacks = this.#agreement.lacksSince(this.#queue.nowMs, differMs);
      if (lacks !== null)
        throw new Error(`${this.#queue.nowMs} ms: at peace, and no mesh any more: ${lacks}`);
    }
  }

  async #advance(byMs: number): Promise<void> {
    const { broken } = this.#invariants;
    for (let leftMs = byMs; leftMs > 0; leftMs -= LOOK_MS) {
      await this.#queue.advance(Math.min(leftMs, LOOK_MS), () => broken.length > 0);
      this.#invariants.look();
      const [first] = broken;
      if (first !== undefined) throw new Error(first);
    }
  }

  #strike(fault: Fault): void {
    this.#trace.add(TRACED.fault, this.#queue.nowMs, fault.kind.length, "node" in fault ? fault.node : -1);
    this.#tell(describeFault(fault));
    const node = "node" in fault ? this.#nodes[fault.node] : undefined;
    switch (fault.kind) {
      case "crash":
      case "leave":
        // One that was to start again after another fault has gone for good.
        if (fault.kind === "crash") node?.crash();
        else void node?.leave();
        if (fault.downMs !== null) this.#queue.after(fault.downMs, () => node?.start());
        break;
      case "move":
        node?.move(this.#freshIp(fault.lan));
        break;
      case "unplug":
        node?.setPlugged(false);
        this.#queue.after(fault.forMs, () => node?.setPlugged(true));
        break;
      case "partition":
        this.#part(fault.nodes, fault.forMs);
        break;
      case "weather":
        this.#network.weather = fault.weather;
        this.#queue.after(fault.forMs, () => {
          this.#network.weather = this.#scenario.weather;
        });
        break;
      case "clock":
        node?.setClockError(fault.errorMs);
    }
  }

  #part(indices: readonly number[], forMs: number): void {
    this.#groups += 1;
    const group = this.#groups;
    const cut = indices.flatMap((index) => this.#nodes[index] ?? []);
    for (const { host } of cut) host.group = group;
    this.#queue.after(forMs, () => {
      for (const { host } of cut) if (host.group === group) host.group = 0;
    });
  }

  #freshIp(lan: number): string {
    const number = (this.#hostsOf.get(lan) ?? 0) + 1;
    if (number > 254) throw new Error(`LAN ${lan} is full`);
    this.#hostsOf.set(lan, number);
    return `44.${lan >> 8}.${lan & 255}.${number}`;
  }

  #tell(line: string): void {
    this.#options.tell?.(`${(this.#queue.nowMs / 1000).toFixed(3)} s: ${line}`);
  }
}
