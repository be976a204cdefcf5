/**
 * One engine at work: what is due by the schedule is asked of it, and what it finds goes to the contacts. It ends when no node
 * answers or the engine fails; the layer opens another one then.
 */
import { sleep } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Counter } from "../../core/metrics.ts";
import { Pacemaker } from "../../core/pacemaker.ts";
import { type Endpoint, endpointText } from "../../core/types.ts";
import { DEFAULT_WIREGUARD_PORT } from "../../wire/endpointRules.ts";
import { type ContactDoor, type DhtContact, DhtContacts } from "./contacts.ts";
import type { DhtEngine, DhtEngineStatus } from "./engine.ts";
import type { DhtLayerOptions } from "./options.ts";
import { DhtSchedule, hoursAt } from "./schedule.ts";

export interface DhtSessionOptions extends Omit<DhtLayerOptions, "open" | "port" | "bootstrap" | "resolve"> {
  readonly engine: DhtEngine;
}

/** What the layer's status is made of. */
export interface DhtReport {
  readonly nodes: number;
  readonly detail: string;
  /** Why it is not as it should be; null when it is. */
  readonly problem: string | null;
}

const outcomes = { outcome: ["taken", "left_out", "asked", "answered"] } as const;

/** How often is looked whether nodes answer: at first, and later. */
const LOOK_EAGERLY_MS = 500;
const LOOK_MS = 15_000;
/** With no node for so long, others must be found to begin with. */
const UNREACHED_MS = 4_000;
const SAVE_FIRST_MS = 20_000;
const SAVE_EVERY_MS = 2 * 60_000;
/** At the end nobody waits longer for the nodes to be saved; a busy machine needs more than the disk does. */
const SAVE_LAST_WITHIN_MS = 2_000;
/** Look-ups in a row that told nothing at all, not even ourselves, although we are announced: nobody hears us. */
const SILENT_LOOKUPS = 2;
const SILENT_AGAIN_MS = 5_000;
/** The hours are looked at so often. */
const HOURS_EVERY_MS = 30_000;

export class DhtSession {
  readonly #options: DhtSessionOptions;
  readonly #schedule: DhtSchedule;
  readonly #contacts: DhtContacts;
  readonly #addresses: Counter<typeof outcomes>;
  readonly #pacemaker: Pacemaker;
  readonly #end = new AbortController();
  #reason = "stopped";
  #status: DhtEngineStatus = { nodes: 0, publicAddress: null };
  #hasReached = false;
  #isLooking = false;
  #isSaving = false;
  #unreachedSinceMs: number;
  #lookAtMs: number;
  #hoursAtMs: number;
  #saveAtMs = Number.POSITIVE_INFINITY;
  #silent = 0;
  #announceError: string | null = null;
  #announcedPort = 0;
  #onReached: () => void = () => {};

  constructor(options: DhtSessionOptions) {
    const { clock, metrics, random } = options;
    const nowMs = clock.monotonicMs();
    this.#options = options;
    this.#schedule = new DhtSchedule(() => random.unit());
    this.#contacts = new DhtContacts(nowMs, () => random.unit());
    this.#addresses = metrics.counter(
      "wgmesh_dht_addresses_total",
      "addresses that nodes of the DHT named: taken up or left out; asked, and answered",
      outcomes,
    );
    this.#unreachedSinceMs = nowMs;
    this.#lookAtMs = nowMs + LOOK_EAGERLY_MS;
    this.#hoursAtMs = nowMs;
    this.#pacemaker = new Pacemaker(clock, {
      nextAtMs: () => this.#nextAtMs(),
      act: (nowMs) => this.#act(nowMs),
    });
  }

  /** True once a node has answered. */
  get hasReached(): boolean {
    return this.#hasReached;
  }

  /** Runs until the signal fires or nothing can be reached; resolves to the reason once the engine is closed. */
  async run(signal: AbortSignal, onReached: () => void): Promise<string> {
    const { self } = this.#options;
    this.#onReached = onReached;
    this.#announcedPort = this.#ownPort;
    let seenAs = self.snapshot.externalControl;
    const unsubscribe = self.subscribe(({ externalControl }) => {
      if (externalControl === seenAs) return;
      seenAs = externalControl;
      // Also where the port stayed: our address is part of what nodes store.
      this.#announceAnew();
    });
    try {
      await this.#pacemaker.run(AbortSignal.any([signal, this.#end.signal]));
      if (signal.aborted && this.#hasReached) await this.#saveLast();
    } finally {
      unsubscribe();
      this.#end.abort();
      await this.#options.engine.close().catch((error: unknown) => {
        this.#options.log.warn({ reason: messageOf(error) }, "DHT engine not closed");
      });
    }
    return this.#reason;
  }

  /** Looks often again, and announces what may be a new address; when we `moved`, or nobody heard us before. */
  networkChanged(moved: boolean): void {
    if (!moved && this.#silent < SILENT_LOOKUPS) return;
    const nowMs = this.#options.clock.monotonicMs();
    this.#schedule.hurry(nowMs);
    this.#contacts.hurry();
    this.#lookAtMs = nowMs + LOOK_EAGERLY_MS;
    this.#announceAnew();
  }

  /** An address that was found has answered. */
  answered(endpoint: Endpoint, door: ContactDoor): void {
    if (this.#contacts.answered(endpoint, door)) this.#addresses.add(1, { outcome: "answered" });
  }

  /** An address that was found has not answered. Its router may lead in what is for WireGuard alone, or take nothing else for it. */
  unanswered(endpoint: Endpoint): void {
    const { clock, greet, self, store } = this.#options;
    if (greet === null) return;
    const met = new Set(
      store
        .list()
        .flatMap((peer) => (peer.endpoint && store.isActive(peer) ? [endpointText(peer.endpoint)] : [])),
    );
    const ports = [...new Set([self.snapshot.wireguardPort, DEFAULT_WIREGUARD_PORT])].filter(
      (port) => !met.has(endpointText({ host: endpoint.host, port })),
    );
    this.#contacts.unanswered(endpoint, ports, clock.monotonicMs());
    this.#pacemaker.wake();
  }

  report(): DhtReport {
    const { nodes } = this.#status;
    const { count, of } = this.#schedule.stored;
    const isSilent = this.#silent >= SILENT_LOOKUPS;
    const silence = isSilent ? "look-ups do not even find this node" : null;
    const detail = `${nodes} nodes, announced under ${count} of ${of} ids, ${this.#contacts.size} addresses found`;
    return { nodes, detail, problem: silence ?? (count === 0 ? this.#announceError : null) };
  }

  get #ownPort(): number {
    const { self, gossipPort } = this.#options;
    return self.snapshot.externalControl?.port ?? gossipPort;
  }

  #nextAtMs(): number {
    const nowMs = this.#options.clock.monotonicMs();
    const looks = this.#isLooking ? Number.POSITIVE_INFINITY : this.#lookAtMs;
    const saves = this.#isSaving ? Number.POSITIVE_INFINITY : this.#saveAtMs;
    const due = Math.min(this.#schedule.nextAtMs(), this.#contacts.nextAtMs(nowMs));
    return Math.min(due, looks, saves, this.#hoursAtMs);
  }

  #act(nowMs: number): void {
    const { clock, store } = this.#options;
    if (nowMs >= this.#hoursAtMs) {
      this.#hoursAtMs = nowMs + HOURS_EVERY_MS;
      this.#schedule.setHours(hoursAt(clock.wallMs()), nowMs);
    }
    const active = (): number => store.list().filter((peer) => store.isActive(peer)).length;
    // First, so that announcements join the look-ups under way.
    for (const hour of this.#schedule.takeLookups(active, nowMs)) this.#lookUp(hour);
    for (const hour of this.#schedule.takeAnnouncements(nowMs)) this.#announce(hour);
    for (const contact of this.#contacts.take(nowMs)) {
      this.#ask(contact);
      this.#addresses.add(1, { outcome: "asked" });
    }
    if (!this.#isLooking && nowMs >= this.#lookAtMs) this.#look();
    if (!this.#isSaving && nowMs >= this.#saveAtMs) this.#save();
  }

  #ask({ to, door, brief }: DhtContact): void {
    if (door === "wireguard") this.#options.greet?.(to, brief);
    else this.#options.contact({ to, publicKey: null, reason: "dht", purpose: "meet", small: true, brief });
  }

  #lookUp(hour: number): void {
    const { clock, engine, infoHash } = this.#options;
    let told = false;
    const onPeers = (peers: readonly Endpoint[]): void => {
      told = true;
      this.#found(peers);
    };
    void engine
      .lookup(infoHash(hour), onPeers)
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#schedule.lookedUp(hour);
        const nowMs = clock.monotonicMs();
        // Perhaps somebody answered.
        if (!this.#hasReached) this.#lookAtMs = nowMs;
        if (told) this.#silent = 0;
        else if (this.#schedule.isStored(hour)) this.#silent += 1;
        // The announcement may be that of an address we do not have any more.
        if (!told && this.#silent === SILENT_LOOKUPS) this.#announceAnew();
        if (this.#silent >= SILENT_LOOKUPS) this.#schedule.lookSoon(nowMs + SILENT_AGAIN_MS);
        this.#pacemaker.wake();
      });
  }

  #announce(hour: number): void {
    const { clock, engine, infoHash } = this.#options;
    this.#announcedPort = this.#ownPort;
    const ended = (isStored: boolean): void => {
      this.#schedule.announced(hour, isStored, clock.monotonicMs());
      this.#pacemaker.wake();
    };
    void engine.announce(infoHash(hour), this.#announcedPort).then(
      () => {
        this.#announceError = null;
        ended(true);
      },
      (error: unknown) => {
        this.#announceError = messageOf(error);
        this.#failed(error);
        ended(false);
      },
    );
  }

  /** What one node told, unfiltered. */
  #found(peers: readonly Endpoint[]): void {
    const { clock, store, underlay } = this.#options;
    const met = new Set<string>();
    for (const peer of store.list()) {
      if (peer.controlEndpoint && store.isActive(peer)) met.add(endpointText(peer.controlEndpoint));
    }
    const news = peers.filter(
      (peer) => !(this.#isOwn(peer) || met.has(endpointText(peer)) || underlay.isInsideMesh(peer.host)),
    );
    const taken = this.#contacts.found(news, clock.monotonicMs());
    this.#addresses.add(taken, { outcome: "taken" });
    this.#addresses.add(news.length - taken, { outcome: "left_out" });
    this.#pacemaker.wake();
  }

  /** Our own announcement comes back to us. */
  #isOwn({ host, port }: Endpoint): boolean {
    const { self, underlay } = this.#options;
    const { externalControl, externalHost } = self.snapshot;
    if (port !== this.#announcedPort) return false;
    const outside = [externalControl?.host, externalHost, this.#status.publicAddress?.host];
    return outside.includes(host) || underlay.suitableLinks().some(({ ipv4 }) => ipv4.includes(host));
  }

  #look(): void {
    const { clock, engine } = this.#options;
    this.#isLooking = true;
    void engine
      .status()
      .then(
        (status) => this.#looked(status),
        (error: unknown) => this.#endFor(`the DHT engine failed: ${messageOf(error)}`),
      )
      .finally(() => {
        this.#isLooking = false;
        const everyMs = this.#status.nodes === 0 ? LOOK_EAGERLY_MS : LOOK_MS;
        this.#lookAtMs = clock.monotonicMs() + everyMs;
        this.#pacemaker.wake();
      });
  }

  #looked(status: DhtEngineStatus): void {
    const nowMs = this.#options.clock.monotonicMs();
    const before = this.#status;
    this.#status = status;
    if (status.nodes === 0) {
      if (before.nodes > 0) this.#unreachedSinceMs = nowMs;
      if (nowMs - this.#unreachedSinceMs >= UNREACHED_MS) this.#endFor("no DHT node answers");
      return;
    }
    if (!this.#hasReached) {
      this.#hasReached = true;
      this.#saveAtMs = nowMs + SAVE_FIRST_MS;
      this.#onReached();
    }
    const moved = before.publicAddress !== null && before.publicAddress.host !== status.publicAddress?.host;
    if (moved) this.#announceAnew();
  }

  #announceAnew(): void {
    this.#schedule.announceAnew(this.#options.clock.monotonicMs());
    this.#pacemaker.wake();
  }

  #save(): void {
    this.#isSaving = true;
    void this.#saveOnce().finally(() => {
      this.#isSaving = false;
      this.#saveAtMs = this.#options.clock.monotonicMs() + SAVE_EVERY_MS;
      this.#pacemaker.wake();
    });
  }

  async #saveLast(): Promise<void> {
    const { clock } = this.#options;
    const end = new AbortController();
    await Promise.race([this.#saveOnce(), sleep(clock, SAVE_LAST_WITHIN_MS, end.signal).catch(() => {})]);
    end.abort();
  }

  /** Never rejects: the next time will do. */
  async #saveOnce(): Promise<void> {
    const { engine, log, nodes } = this.#options;
    try {
      const records = await engine.nodes();
      if (records.length > 0) await nodes.write(records);
    } catch (error) {
      log.debug({ reason: messageOf(error) }, "nodes of the DHT not saved");
    }
  }

  /** Not when the end is the cause. */
  #failed(error: unknown): void {
    if (this.#end.signal.aborted) return;
    this.#options.log.debug({ reason: messageOf(error) }, "DHT did not do what it was asked");
  }

  #endFor(reason: string): void {
    this.#reason = reason;
    this.#end.abort();
  }
}
