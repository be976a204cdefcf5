/**
 * STUN as a layer of discovery (row D4): asks several servers at once from each socket, judges what they say, and asks again when
 * that may have changed. Servers nobody can reach are a degraded state, never an error.
 */
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { Counter, Metrics } from "../../core/metrics.ts";
import { Pacemaker } from "../../core/pacemaker.ts";
import type { Random } from "../../core/random.ts";
import { type Endpoint, endpointText } from "../../core/types.ts";
import type { LayerStatus } from "../seams.ts";
import { type DatagramSocket, StunClient } from "./client.ts";
import { LOOK_EVERY_MS, pauseMs } from "./pacing.ts";
import type { StunServer, StunServers } from "./servers.ts";
import {
  judge,
  natTypeOf,
  type Sight,
  type SocketVerdicts,
  type StunFindings,
  type Verdict,
} from "./verdict.ts";

export type SocketName = "control" | "wireguard";

export interface StunSocket {
  readonly name: SocketName;
  readonly socket: DatagramSocket;
  /** The port it is bound to now. */
  port(): number;
}

export interface StunLayerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly servers: StunServers;
  readonly sockets: readonly StunSocket[];
  /** Addresses of the host's links, canonical. */
  ownAddresses(): readonly string[];
  /** Somebody is not connected, or the NAT's mapping is wanted for another reason. */
  needed(): boolean;
  /** After a round, and within it as soon as two servers agree; null when nobody answered. */
  found(findings: StunFindings | null): void;
}

const questionLabels = {
  socket: ["control", "wireguard"],
  outcome: ["answered", "unanswered"],
} as const;

/** Netlink tells of one change in several messages. */
const SETTLE_MS = 60;
/** Doubts that turn out to be none are listened to less and less often. */
const DOUBT_FIRST_MS = 2_000;
const DOUBT_MAX_MS = 5 * 60_000;

interface Round {
  readonly abort: AbortController;
  readonly sights: Map<SocketName, Sight[]>;
  readonly answering: Set<string>;
  lastError: string | null;
}

export class StunLayer {
  readonly #options: StunLayerOptions;
  readonly #clients: ReadonlyMap<SocketName, StunClient>;
  readonly #pacemaker: Pacemaker;
  readonly #questions: Counter<typeof questionLabels>;
  #failures = 0;
  #dueAtMs: number;
  #lookAtMs = Number.POSITIVE_INFINITY;
  #endedAtMs = Number.NEGATIVE_INFINITY;
  #unit = 0;
  #doubtPauseMs = DOUBT_FIRST_MS;
  #doubtedAtMs = Number.NEGATIVE_INFINITY;
  #seen = "";
  /** A round in this network has ended with an answer. */
  #known = false;
  #answered = false;
  #round: Round | null = null;
  #status: Omit<LayerStatus, "name"> = { state: "starting", detail: "", lastError: null };

  constructor(options: StunLayerOptions) {
    this.#options = options;
    const { clock, metrics, random, sockets } = options;
    this.#questions = metrics.counter(
      "wgmesh_stun_questions_total",
      "questions to STUN servers",
      questionLabels,
    );
    this.#clients = new Map(
      sockets.map(({ name, socket }) => [name, new StunClient({ clock, random, socket })]),
    );
    this.#dueAtMs = clock.monotonicMs();
    this.#pacemaker = new Pacemaker(clock, {
      nextAtMs: () => (this.#round === null ? Math.min(this.#dueAtMs, this.#lookAtMs) : null),
      act: (nowMs) => this.#act(nowMs),
    });
  }

  /** The body of its task. */
  async run(signal: AbortSignal): Promise<void> {
    const end = (): void => this.#round?.abort.abort();
    signal.addEventListener("abort", end, { once: true });
    try {
      await this.#pacemaker.run(signal);
    } finally {
      signal.removeEventListener("abort", end);
      this.#round = null;
      this.#status = { state: "stopped", detail: "", lastError: null };
    }
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }

  /** The network changed, or the machine woke: what is under way is of no use, and all is asked again at once. */
  networkChanged(): void {
    this.#options.servers.forget();
    this.#round?.abort.abort();
    this.#failures = 0;
    this.#known = false;
    this.#doubtPauseMs = DOUBT_FIRST_MS;
    this.#dueAtMs = this.#options.clock.monotonicMs() + SETTLE_MS;
    this.#pacemaker.wake();
  }

  /** Somebody has reason to doubt the address: asks at once, unless the last doubts were none. */
  doubt(): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#round !== null) return;
    // Long ago says nothing about now.
    if (nowMs > this.#doubtedAtMs + 2 * this.#doubtPauseMs) this.#doubtPauseMs = DOUBT_FIRST_MS;
    if (nowMs < this.#endedAtMs + this.#doubtPauseMs) return;
    this.#doubtedAtMs = nowMs;
    this.#doubtPauseMs = Math.min(DOUBT_MAX_MS, this.#doubtPauseMs * 2);
    this.#dueAtMs = nowMs;
    this.#pacemaker.wake();
  }

  status(): LayerStatus {
    return { name: "stun", ...this.#status };
  }

  async #act(nowMs: number): Promise<void> {
    if (nowMs < this.#dueAtMs) {
      // Calm when the pause began; is it still?
      this.#plan(nowMs);
      return;
    }
    const round: Round = {
      abort: new AbortController(),
      sights: new Map(),
      answering: new Set(),
      lastError: null,
    };
    this.#round = round;
    this.#unit = this.#options.random.unit();
    await this.#ask(round);
    this.#round = null;
    const endMs = this.#options.clock.monotonicMs();
    // Whoever ended it has set the time of the next.
    if (round.abort.signal.aborted) return;
    this.#endedAtMs = endMs;
    this.#conclude(round);
    this.#plan(endMs);
  }

  #plan(nowMs: number): void {
    const needed = this.#options.needed();
    const pause = pauseMs({ answered: this.#answered, failures: this.#failures, needed }, this.#unit);
    this.#dueAtMs = Math.max(nowMs, this.#endedAtMs + pause);
    this.#lookAtMs = nowMs + LOOK_EVERY_MS;
  }

  async #ask(round: Round): Promise<void> {
    const { servers } = this.#options;
    const asked = Promise.all(servers.servers.map((server) => this.#askServer(server, round)));
    await Promise.race([asked, aborted(round.abort.signal)]);
  }

  async #askServer(server: StunServer, round: Round): Promise<void> {
    const { ownAddresses, servers } = this.#options;
    const { signal } = round.abort;
    const hasIpv6 = ownAddresses().some((ip) => ip.includes(":"));
    try {
      const addresses = await servers.addresses(server, signal);
      const usable = addresses.filter(({ address }) => hasIpv6 || !address.host.includes(":"));
      const asked = usable.flatMap(({ name, address }) =>
        [...this.#clients].map(([socket, client]) => this.#askFrom(socket, client, name, address, round)),
      );
      const answers = await Promise.all(asked);
      if (!answers.includes(true)) servers.forgetServer(server);
    } catch (error) {
      if (!signal.aborted) round.lastError = `${server.host}: ${messageOf(error)}`;
    }
  }

  /** True when the server answered. */
  async #askFrom(
    socket: SocketName,
    client: StunClient,
    name: string,
    server: Endpoint,
    round: Round,
  ): Promise<boolean> {
    const outcome = await client.request(server);
    if (round.abort.signal.aborted) return false;
    this.#questions.add(1, { socket, outcome: outcome.ok ? "answered" : "unanswered" });
    if (!outcome.ok) {
      round.lastError = `${name}: ${outcome.reason}`;
      return false;
    }
    round.answering.add(name);
    const sights = round.sights.get(socket) ?? [];
    round.sights.set(socket, [...sights, { server, mapped: outcome.mapped }]);
    this.#publishEarly(round);
    return true;
  }

  /**
   * Where nothing is known yet, the slow servers need not be waited for once two agree for every socket; that they differ may be one
   * that is wrong. Later, half a round must not take back what a whole one found.
   */
  #publishEarly(round: Round): void {
    if (this.#known) return;
    const findings = this.#findings(round);
    const verdicts = [findings.control, findings.wireguard].map((socket) => socket?.ipv4 ?? socket?.ipv6);
    const clear = verdicts
      .slice(0, this.#clients.size)
      .every((verdict) => verdict?.mapping === "none" || verdict?.mapping === "independent");
    if (clear) this.#options.found(findings);
  }

  #conclude(round: Round): void {
    const { found, log, servers } = this.#options;
    const asked = servers.servers.length;
    const answered = round.answering.size;
    const before = this.#status.state;
    if (answered === 0) {
      this.#failures += 1;
      const lastError = round.lastError ?? "no server is given";
      this.#status = { state: "degraded", detail: `none of ${asked} servers answers`, lastError };
      if (before !== "degraded") log.info({ reason: lastError }, "no STUN server answers");
      this.#known = false;
      found(null);
      return;
    }
    this.#failures = 0;
    this.#known = true;
    this.#answered = true;
    const findings = this.#findings(round);
    const seen = seenText(findings);
    if (seen !== this.#seen) this.#doubtPauseMs = DOUBT_FIRST_MS;
    this.#seen = seen;
    const detail = `${seen}; ${answered} of ${asked} servers answer`;
    this.#status = { state: "running", detail, lastError: round.lastError };
    if (before === "degraded") log.info({}, "STUN servers answer again");
    found(findings);
  }

  #findings(round: Round): StunFindings {
    const own = new Set(this.#options.ownAddresses());
    const verdictsOf = (name: SocketName): SocketVerdicts | null => {
      const socket = this.#options.sockets.find((candidate) => candidate.name === name);
      if (socket === undefined) return null;
      const sights = round.sights.get(name) ?? [];
      const isOwn = ({ host, port }: Endpoint): boolean => own.has(host) && port === socket.port();
      const ofFamily = (ipv6: boolean): Verdict | null =>
        judge(
          sights.filter(({ mapped }) => mapped.host.includes(":") === ipv6),
          isOwn,
        );
      return { ipv4: ofFamily(false), ipv6: ofFamily(true) };
    };
    return {
      control: verdictsOf("control") ?? { ipv4: null, ipv6: null },
      wireguard: verdictsOf("wireguard"),
    };
  }
}

function seenText({ control, wireguard }: StunFindings): string {
  const socket = wireguard?.ipv4 || wireguard?.ipv6 ? wireguard : control;
  return [socket.ipv4, socket.ipv6]
    .filter((verdict) => verdict !== null)
    .map(({ mapped, mapping }) => `${endpointText(mapped)} (${natTypeOf(mapping)})`)
    .join(", ");
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
