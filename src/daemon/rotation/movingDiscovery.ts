/**
 * The discovery of a node whose mesh may move to a new secret: the same object all the while, with another one behind it after the move,
 * and a second one beside it during the grace.
 */
import type { NatReport } from "../../core/netReport.ts";
import type { TaskScope } from "../../core/tasks.ts";
import type {
  Discovery,
  DiscoveryContext,
  DiscoveryTuning,
  LayerStatus,
  StaticPeer,
} from "../../discovery/seams.ts";
import type { MeshIdentity } from "../../identity/meshIdentity.ts";

/** `second` stands beside a whole one: it need not find out again what that one does (the own address, paths through NATs). */
export type MakeDiscovery = (mesh: MeshIdentity, part: "whole" | "second") => Discovery;

interface Running {
  readonly discovery: Discovery;
  readonly scope: OwnScope;
}

export class MovingDiscovery implements Discovery {
  readonly #make: MakeDiscovery;
  #main: Discovery;
  #scope: OwnScope | null = null;
  #context: DiscoveryContext | null = null;
  #second: Running | null = null;
  #staticPeers: readonly StaticPeer[] | null = null;
  /** What was set since the start: a discovery that is made later begins with the options of the start. */
  #tuning: DiscoveryTuning = {};
  #leaving = false;
  #paused = false;
  #generation = 0;

  constructor(make: MakeDiscovery, mesh: MeshIdentity) {
    this.#make = make;
    this.#main = make(mesh, "whole");
  }

  /** What the layers were started with; null before. */
  get context(): DiscoveryContext | null {
    return this.#context;
  }

  async start(context: DiscoveryContext): Promise<void> {
    this.#context = context;
    this.#scope = new OwnScope(context.scope, "");
    await this.#main.start({ ...context, scope: this.#scope });
  }

  /** Speaks in the next mesh too. Rejects with ERR_CONTROL_PORT; nothing has changed then. */
  async startSecond(mesh: MeshIdentity, context: DiscoveryContext): Promise<Discovery> {
    const discovery = this.#make(mesh, "second");
    const scope = this.#newScope();
    try {
      await discovery.start({ ...context, scope });
    } catch (error) {
      scope.end();
      await discovery.stop();
      throw error;
    }
    discovery.tune(this.#tuning);
    this.#second = { discovery, scope };
    return discovery;
  }

  /** Whom to ask in the next mesh. */
  askSecond(places: readonly StaticPeer[]): void {
    this.#second?.discovery.setStaticPeers(places);
  }

  async stopSecond(): Promise<void> {
    const second = this.#second;
    this.#second = null;
    if (second === null) return;
    second.scope.end();
    await second.discovery.stop();
  }

  /** Says and hears nothing until {@link resume}; tunnels are none of its business and stay. */
  async pause(): Promise<void> {
    this.#paused = true;
    await this.stopSecond();
    this.#scope?.end();
    await this.#main.stop();
  }

  get paused(): boolean {
    return this.#paused && !this.#leaving;
  }

  /** Speaks in that mesh alone from now on. Rejects with ERR_CONTROL_PORT, and is paused still. */
  async resume(mesh: MeshIdentity, change: Partial<DiscoveryContext>): Promise<void> {
    const before = this.#context;
    if (before === null || this.#leaving) return;
    const context = { ...before, ...change };
    const main = this.#make(mesh, "whole");
    const scope = this.#newScope();
    try {
      await main.start({ ...context, scope });
    } catch (error) {
      scope.end();
      await main.stop();
      throw error;
    }
    this.#context = context;
    this.#main = main;
    this.#scope = scope;
    this.#paused = false;
    if (this.#staticPeers !== null) main.setStaticPeers(this.#staticPeers);
    main.tune(this.#tuning);
    main.announce();
  }

  announce(): void {
    this.#main.announce();
  }

  async goodbye(): Promise<void> {
    this.#leaving = true;
    await Promise.all([this.#main.goodbye(), this.#second?.discovery.goodbye()]);
  }

  async stop(): Promise<void> {
    this.#leaving = true;
    this.#scope?.end();
    await Promise.all([this.#main.stop(), this.stopSecond()]);
  }

  setStaticPeers(peers: readonly StaticPeer[]): void {
    this.#staticPeers = peers;
    this.#main.setStaticPeers(peers);
  }

  tune(tuning: DiscoveryTuning): void {
    this.#tuning = { ...this.#tuning, ...tuning };
    this.#main.tune(tuning);
    this.#second?.discovery.tune(tuning);
  }

  doubt(): void {
    this.#main.doubt();
  }

  layers(): LayerStatus[] {
    return this.#main.layers();
  }

  clockProblem(): string | null {
    return this.#main.clockProblem();
  }

  examine(signal: AbortSignal): Promise<NatReport | null> {
    return this.#main.examine(signal);
  }

  counters(): Readonly<Record<string, number>> {
    return this.#main.counters();
  }

  queues(): Readonly<Record<string, number>> {
    return this.#main.queues();
  }

  #newScope(): OwnScope {
    this.#generation += 1;
    return new OwnScope(this.#context?.scope ?? failing, `${this.#generation}.`);
  }
}

const failing: TaskScope = {
  signal: AbortSignal.abort(),
  start: () => {},
};

/** Tasks that end before the daemon does. Names are those of the first with a number, since the old ones are listed for a while. */
class OwnScope implements TaskScope {
  readonly signal: AbortSignal;
  readonly #outer: TaskScope;
  readonly #prefix: string;
  readonly #ended = new AbortController();

  constructor(outer: TaskScope, prefix: string) {
    this.#outer = outer;
    this.#prefix = prefix;
    this.signal = AbortSignal.any([outer.signal, this.#ended.signal]);
  }

  start(
    name: string,
    policy: Parameters<TaskScope["start"]>[1],
    body: Parameters<TaskScope["start"]>[2],
  ): void {
    const { signal: ended } = this.#ended;
    this.#outer.start(`${this.#prefix}${name}`, policy, async (signal) => {
      try {
        if (!ended.aborted) await body(AbortSignal.any([signal, ended]));
      } catch (error) {
        if (!ended.aborted) throw error;
      }
    });
  }

  end(): void {
    this.#ended.abort();
  }
}
