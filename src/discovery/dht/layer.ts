/**
 * The DHT layer (row D3): keeps an engine open, announces us under the mesh's hourly ids, looks others up, and has whoever is found
 * greeted by a HELLO. Where nothing answers it is degraded and tries again; nothing else waits for it.
 */
import { isIPv4 } from "node:net";
import { sleep } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Endpoint } from "../../core/types.ts";
import type { OpenHello } from "../helloTable.ts";
import type { LayerStatus, Underlay } from "../seams.ts";
import { gatherBootstrap } from "./bootstrap.ts";
import type { ContactDoor } from "./contacts.ts";
import { nodeAddresses } from "./nodesFile.ts";
import type { DhtLayerOptions } from "./options.ts";
import { DhtSession } from "./session.ts";

/** A network that is back is used within ten seconds, also where no event tells of it. */
const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 8_000;
/** Without a route: one that comes up is told by the kernel, all but a change of its rules. */
const NO_ROUTE_MAX_MS = 60_000;
/** After a change of the network; others follow it, and addresses need a moment until they can be used. */
const CHANGE_PAUSE_MS = 1_000;

/**
 * Many nodes of the DHT are dead, and a look-up ends no sooner than they time out: short, so that nodes that start together meet soon.
 * Where nobody answers that fast (a satellite), the next attempt has patience.
 */
const REQUEST_TIMEOUT_MS = 600;
const PATIENT_TIMEOUT_MS = 2_500;

interface Outcome {
  readonly reached: boolean;
  /** False when no packet could have left. */
  readonly routed?: false;
  readonly reason: string;
}

export class DhtLayer {
  readonly #options: DhtLayerOptions;
  #session: DhtSession | null = null;
  #isRunning = false;
  #lastError: string | null = null;
  /** Whether the next attempt may do without names (see bootstrap.ts). */
  #trustKnown = true;
  #isTold = false;
  #isPatient = false;
  #wake: (() => void) | null = null;

  constructor(options: DhtLayerOptions) {
    this.#options = options;
  }

  tasks(): { readonly name: string; readonly body: (signal: AbortSignal) => Promise<void> }[] {
    return [{ name: "dht", body: (signal) => this.#run(signal) }];
  }

  /** Runs until the signal fires, then saves the nodes and closes the engine. */
  async #run(signal: AbortSignal): Promise<void> {
    const { random, underlay, log } = this.#options;
    this.#isRunning = true;
    let links = networkText(underlay);
    const unsubscribe = underlay.onChange(() => {
      const before = links;
      links = networkText(underlay);
      this.#session?.networkChanged(links !== before);
      this.#wake?.();
    });
    let retryMs = RETRY_FIRST_MS;
    try {
      while (!signal.aborted) {
        const outcome = await this.#attempt(signal);
        if (signal.aborted) return;
        this.#lastError = outcome.reason;
        if (outcome.reached) retryMs = RETRY_FIRST_MS;
        const pauseMs = retryMs * (0.75 + 0.25 * random.unit());
        const retryInMs = Math.round(pauseMs);
        // Once, and no more: where there is no Internet that is no news.
        if (outcome.reached || !this.#isTold)
          log.info({ reason: outcome.reason, retryInMs }, "DHT not reachable");
        else log.debug({ reason: outcome.reason, retryInMs }, "DHT still not reachable");
        this.#isTold = true;
        retryMs = Math.min(outcome.routed === false ? NO_ROUTE_MAX_MS : RETRY_MAX_MS, retryMs * 2);
        if (await this.#pause(pauseMs, signal)) retryMs = RETRY_FIRST_MS;
      }
    } finally {
      this.#isRunning = false;
      unsubscribe();
    }
  }

  /** A HELLO to a control socket, or one to WireGuard's port, got its REPLY or none. */
  concluded(hello: OpenHello, door: ContactDoor, answered: boolean): void {
    if (answered) this.#session?.answered(hello.to, door);
    else if (door === "control") this.#session?.unanswered(hello.to);
  }

  status(): LayerStatus {
    const report = this.#session?.report();
    const { detail = "no node reached", problem = null } = report ?? {};
    const lastError = problem ?? this.#lastError;
    const status = (state: LayerStatus["state"]): LayerStatus => ({ name: "dht", state, detail, lastError });
    if (!this.#isRunning) return status("stopped");
    if (report === undefined || report.nodes === 0) return status(this.#isTold ? "degraded" : "starting");
    return status(problem === null ? "running" : "degraded");
  }

  /** One engine, from opening to closing. */
  async #attempt(signal: AbortSignal): Promise<Outcome> {
    const options = this.#options;
    const known = await this.#knownNodes();
    // Names, sockets and timeouts cost something, every few seconds, on a LAN that leads nowhere; a route that comes up wakes us.
    const places = [...options.bootstrap, ...known].map(({ host }) => host).filter(isIPv4);
    if (!options.hasRoute(places))
      return { reached: false, routed: false, reason: "no route leads to any of its nodes" };
    const { endpoints, problem } = await gatherBootstrap(
      { ...options, configured: options.bootstrap },
      known,
      this.#trustKnown,
      signal,
    );
    this.#trustKnown = !this.#trustKnown;
    if (signal.aborted) return { reached: false, reason: "stopped" };
    if (endpoints.length === 0)
      return { reached: false, reason: problem ?? "no node is known to begin with" };
    let session: DhtSession;
    try {
      const requestTimeoutMs = this.#isPatient ? PATIENT_TIMEOUT_MS : REQUEST_TIMEOUT_MS;
      const engine = options.open({ port: options.port, bootstrap: endpoints, requestTimeoutMs });
      session = new DhtSession({ ...options, engine });
    } catch (error) {
      return { reached: false, reason: messageOf(error) };
    }
    this.#session = session;
    try {
      const reason = await session.run(signal, () => this.#reached());
      if (!session.hasReached) this.#isPatient = !this.#isPatient;
      return { reached: session.hasReached, reason };
    } finally {
      this.#session = null;
    }
  }

  #reached(): void {
    const { log } = this.#options;
    this.#trustKnown = true;
    this.#lastError = null;
    if (this.#isTold) log.info({}, "DHT reached again");
    else log.debug({}, "DHT reached");
    this.#isTold = false;
  }

  async #knownNodes(): Promise<Endpoint[]> {
    const { nodes, log } = this.#options;
    try {
      return nodeAddresses(await nodes.read());
    } catch (error) {
      log.debug({ reason: messageOf(error) }, "nodes of the DHT not read");
      return [];
    }
  }

  /** Waits; true when it was woken by a change of the network. */
  async #pause(pauseMs: number, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#options;
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    const waited = sleep(clock, pauseMs, AbortSignal.any([signal, woken.signal]));
    await waited.catch(() => {});
    this.#wake = null;
    if (!woken.signal.aborted) return false;
    await sleep(clock, CHANGE_PAUSE_MS, signal).catch(() => {});
    return true;
  }
}

/** What changes when the host moves to another network; routes alone do not. */
function networkText(underlay: Underlay): string {
  return underlay
    .suitableLinks()
    .map(({ index, ipv4 }) => `${index} ${ipv4.join(" ")}`)
    .join("\n");
}
