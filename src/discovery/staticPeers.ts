/**
 * Peers named by the operator (row D7, `--peer host[:port]`): asked at once, again with backoff while they do not answer, and
 * resolved again whenever they have fallen silent.
 */
import { isIP } from "node:net";
import { type Clock, sleep, within } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Random } from "../core/random.ts";
import { type Endpoint, endpointText, type IpAddress, type PublicKey, parseIp } from "../core/types.ts";
import type { PeerStore } from "../peers/store.ts";
import type { ContactRequest } from "./contactQueue.ts";
import type { OpenHello } from "./helloTable.ts";
import type { LayerStatus, StaticPeer } from "./seams.ts";

/** All addresses of a name, of both families. */
export type Resolver = (host: string) => Promise<readonly string[]>;

export interface StaticPeersOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly store: PeerStore;
  readonly resolve: Resolver;
  readonly peers: readonly StaticPeer[];
  readonly gossipPort: number;
  readonly noIpv6: boolean;
  contact(request: ContactRequest, delayMs: number): void;
}

const RESOLVE_WITHIN_MS = 3_000;
/** A HELLO gives up after four seconds. */
const ANSWER_WITHIN_MS = 4_500;
const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 30_000;
/** How often a peer that answered is looked at. */
const CHECK_EVERY_MS = 30_000;

interface State {
  readonly peer: StaticPeer;
  readonly text: string;
  /** Ends its loop. */
  readonly ended: AbortController;
  answeredBy: PublicKey | null;
  lastError: string | null;
}

export class StaticPeers {
  readonly #options: StaticPeersOptions;
  /** By address. */
  readonly #states = new Map<string, State>();
  /** Who waits for the end of a HELLO to an address. */
  readonly #waiting = new Map<string, Set<(publicKey: PublicKey | null) => void>>();
  /** Starts the loop of a peer; null while the task does not run. */
  #start: ((state: State) => void) | null = null;

  constructor(options: StaticPeersOptions) {
    this.#options = options;
    this.replace(options.peers);
  }

  /** From now on these are the peers; those that stay are not asked anew. */
  replace(peers: readonly StaticPeer[]): void {
    const wanted = new Map(peers.map((peer) => [this.#textOf(peer), peer]));
    for (const [text, state] of this.#states) {
      if (wanted.has(text)) continue;
      state.ended.abort();
      this.#states.delete(text);
    }
    for (const [text, peer] of wanted) {
      if (this.#states.has(text)) continue;
      const state = { peer, text, ended: new AbortController(), answeredBy: null, lastError: null };
      this.#states.set(text, state);
      this.#start?.(state);
    }
  }

  #textOf({ host, port }: StaticPeer): string {
    return endpointText({ host, port: port ?? this.#options.gossipPort });
  }

  tasks(): { readonly name: string; readonly body: (signal: AbortSignal) => Promise<void> }[] {
    return [{ name: "static", body: (signal) => this.#run(signal) }];
  }

  /** A loop for each peer, so that none waits for another's name. */
  async #run(signal: AbortSignal): Promise<void> {
    const loops = new Set<Promise<void>>();
    try {
      await new Promise<void>((resolve, reject) => {
        this.#start = (state) => {
          const loop = this.#keep(state, AbortSignal.any([signal, state.ended.signal]));
          loops.add(loop);
          loop.then(() => loops.delete(loop), reject);
        };
        for (const state of this.#states.values()) this.#start(state);
        if (signal.aborted) resolve();
        else signal.addEventListener("abort", () => resolve(), { once: true });
      });
    } finally {
      this.#start = null;
      await Promise.allSettled(loops);
    }
  }

  /** A HELLO of the exchange got its REPLY, or (null) none. */
  concluded(hello: OpenHello, publicKey: PublicKey | null): void {
    const text = endpointText(hello.to);
    for (const done of this.#waiting.get(text) ?? []) done(publicKey);
  }

  status(): LayerStatus {
    const states = [...this.#states.values()];
    if (states.length === 0)
      return { name: "static", state: "off", detail: "no --peer given", lastError: null };
    const answering = states.filter(({ answeredBy }) => answeredBy !== null);
    const silent = states.find(({ answeredBy }) => answeredBy === null);
    return {
      name: "static",
      state: silent ? "degraded" : "running",
      detail: `${answering.length} of ${states.length} answer`,
      lastError: silent ? `${silent.text}: ${silent.lastError ?? "not asked yet"}` : null,
    };
  }

  async #keep(state: State, signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#options;
    let retryMs = RETRY_FIRST_MS;
    while (!signal.aborted) {
      try {
        state.answeredBy = await this.#ask(state.peer, signal);
        log.info({ address: state.text, peer: state.answeredBy }, "static peer answered");
        retryMs = RETRY_FIRST_MS;
        await this.#untilSilent(state.answeredBy, signal);
        log.info({ address: state.text }, "static peer fell silent");
        state.lastError = "fell silent";
      } catch (error) {
        if (signal.aborted) return;
        state.lastError = messageOf(error);
        log.debug({ address: state.text, reason: state.lastError }, "static peer does not answer");
      }
      state.answeredBy = null;
      const pause = sleep(clock, retryMs * (0.8 + 0.4 * random.unit()), signal);
      await pause.catch(() => {});
      retryMs = Math.min(RETRY_MAX_MS, retryMs * 2);
    }
  }

  /** Resolves to the key that answered on any of the host's addresses; rejects when none did. */
  async #ask(peer: StaticPeer, signal: AbortSignal): Promise<PublicKey> {
    const port = peer.port ?? this.#options.gossipPort;
    const hosts = await this.#addresses(peer.host, signal);
    if (hosts.length === 0) throw new Error("no usable address");
    const answered = await Promise.all(
      hosts.map((host) => this.#hello({ host, port }, peer.publicKey ?? null, signal)),
    );
    const publicKey = answered.find((key) => key !== null);
    if (!publicKey) throw new Error("no answer");
    return publicKey;
  }

  async #addresses(host: string, signal: AbortSignal): Promise<IpAddress[]> {
    const { clock, noIpv6, resolve } = this.#options;
    const texts = isIP(host)
      ? [host]
      : await within(clock, RESOLVE_WITHIN_MS, resolve(host), signal, "the name was not resolved in time");
    const addresses = texts.map(parseIp).filter((ip) => ip !== null && !(noIpv6 && ip.includes(":")));
    return [...new Set(addresses as IpAddress[])];
  }

  /** Asks one address; the key that answers, or null. */
  #hello(to: Endpoint, publicKey: PublicKey | null, signal: AbortSignal): Promise<PublicKey | null> {
    const { clock, contact } = this.#options;
    const text = endpointText(to);
    const waiting = this.#waiting.get(text) ?? new Set();
    this.#waiting.set(text, waiting);
    return new Promise((resolve) => {
      const done = (publicKey: PublicKey | null): void => {
        cancel();
        signal.removeEventListener("abort", giveUp);
        waiting.delete(done);
        if (waiting.size === 0) this.#waiting.delete(text);
        resolve(publicKey);
      };
      const giveUp = (): void => done(null);
      const cancel = clock.after(ANSWER_WITHIN_MS, giveUp);
      signal.addEventListener("abort", giveUp, { once: true });
      waiting.add(done);
      contact({ to, publicKey, reason: "static", purpose: "ask", small: false }, 0);
    });
  }

  /** Resolves once the peer is removed from the store or no longer active. */
  async #untilSilent(publicKey: PublicKey, signal: AbortSignal): Promise<void> {
    const { clock, store } = this.#options;
    const gone = new AbortController();
    const unsubscribe = store.subscribe((event) => {
      if (event.type === "removed" && event.peer.publicKey === publicKey) gone.abort();
    });
    const either = AbortSignal.any([signal, gone.signal]);
    try {
      for (;;) {
        const peer = store.get(publicKey);
        if (!peer || !store.isActive(peer)) return;
        await sleep(clock, CHECK_EVERY_MS, either);
      }
    } catch {
      return;
    } finally {
      unsubscribe();
    }
  }
}
