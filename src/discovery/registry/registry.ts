/**
 * Registry bootstrap (row D8, PROTOCOL.md section 8.1), off unless `--registry`: an issue of a public repository, its title from the
 * secret, its text sealed, tells where somebody of this mesh was in the last day. Those places are asked; nothing in it is
 * believed. With a token this node keeps the issue true.
 */
import { type Clock, sleep } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import { type IpKind, ipKind } from "../../core/ipKind.ts";
import type { Log } from "../../core/log.ts";
import type { Counter, Metrics } from "../../core/metrics.ts";
import type { Random } from "../../core/random.ts";
import { type Endpoint, endpointText, type IpAddress, type PublicKey, parseIp } from "../../core/types.ts";
import { isConnected } from "../../peers/connected.ts";
import { type LocalNode, ownEndpoint } from "../../peers/localNode.ts";
import type { PeerStore } from "../../peers/store.ts";
import { transitiveEndpoint } from "../../wire/endpointRules.ts";
import type { Sealer } from "../../wire/sealer.ts";
import type { Announcement, Mention } from "../../wire/types.ts";
import type { ContactRequest } from "../contactQueue.ts";
import type { LayerStatus, Underlay } from "../seams.ts";
import { readIssueBody, writeIssueBody } from "./issueBody.ts";
import { type Fetch, type Issue, IssueClient, type RegistryAccess, RegistryError } from "./issueClient.ts";

/** What the composition root knows of the registry. */
export interface RegistrySetting {
  readonly access: RegistryAccess;
  /** Of the issue; from the secret. */
  readonly title: string;
  readonly fetch: Fetch;
}

export interface RegistryOptions extends RegistrySetting {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly sealer: Sealer;
  readonly store: PeerStore;
  readonly self: LocalNode;
  readonly underlay: Underlay;
  readonly gossipPort: number;
  /** `--privacy`: what we write names nobody but us. */
  readonly namesNobody?: boolean;
  contact(request: ContactRequest): void;
}

/** LAN, operator's peers and DHT come first; the service is asked only when they found nobody. */
const FIRST_AFTER_MS = 5_000;
/** While nobody is connected. The service allows ten searches a minute without a token. */
const ALONE_EVERY_MS = 120_000;
/** With a token: how old what we wrote may become. */
const WRITE_EVERY_MS = 30 * 60_000;
const MAX_PAUSE_MS = 30 * 60_000;
const JITTER = 0.2;

const PUBLIC: ReadonlySet<IpKind> = new Set<IpKind>(["global"]);
const outcomes = { outcome: ["read", "written", "failed"] } as const;

export class Registry {
  readonly #options: RegistryOptions;
  readonly #client: IssueClient;
  readonly #outcomes: Counter<typeof outcomes>;
  #lastError: string | null = null;
  #detail = "not asked yet";
  #writtenAtMs = Number.NEGATIVE_INFINITY;
  #writtenFor = "";

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#client = new IssueClient(options.access, options.fetch, options.clock);
    this.#outcomes = options.metrics.counter(
      "wgmesh_registry_calls_total",
      "rounds with the registry",
      outcomes,
    );
  }

  /** The body of its task; failures are told in the status and tried again, never thrown. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    let pauseMs = FIRST_AFTER_MS;
    let failures = 0;
    for (;;) {
      try {
        await sleep(clock, pauseMs * (1 - JITTER + 2 * JITTER * random.unit()), signal);
      } catch {
        return;
      }
      pauseMs = ALONE_EVERY_MS;
      try {
        await this.#round(signal);
        failures = 0;
        this.#lastError = null;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        pauseMs = this.#failed(error, failures);
      }
    }
  }

  status(): LayerStatus {
    const state = this.#lastError === null ? "running" : "degraded";
    return { name: "registry", state, detail: this.#detail, lastError: this.#lastError };
  }

  #failed(error: unknown, failures: number): number {
    this.#outcomes.add(1, { outcome: "failed" });
    this.#lastError = messageOf(error);
    this.#options.log.debug({ reason: this.#lastError }, "the registry did not answer");
    const asked = error instanceof RegistryError ? error.retryInMs : null;
    return asked ?? Math.min(MAX_PAUSE_MS, ALONE_EVERY_MS * 2 ** (failures - 1));
  }

  async #round(signal: AbortSignal): Promise<void> {
    const { access, clock } = this.#options;
    const alone = !this.#isConnected();
    const own = access.token === null ? null : this.#ownWord();
    const place = own === null ? "" : own.wgEndpoint;
    const isOld = clock.monotonicMs() - this.#writtenAtMs >= WRITE_EVERY_MS || place !== this.#writtenFor;
    const write = own !== null && isOld;
    if (!alone && !write) return;
    const issue = await this.#client.find(this.#options.title, signal);
    if (alone) this.#read(issue);
    if (!write) return;
    await this.#write(issue, own, signal);
    this.#writtenAtMs = clock.monotonicMs();
    this.#writtenFor = place;
  }

  #read(issue: Issue | null): void {
    const { clock, contact, gossipPort, sealer, self, underlay } = this.#options;
    this.#outcomes.add(1, { outcome: "read" });
    const found = issue === null ? null : readIssueBody(issue.body, sealer, clock.wallMs());
    if (found === null) {
      this.#detail =
        issue === null ? "no entry of this mesh" : "an entry that is too old, or not of this mesh";
      return;
    }
    const places = new Map<string, { to: Endpoint; publicKey: PublicKey }>();
    for (const { publicKey, wgEndpoint } of [found, ...found.knownPeers]) {
      const endpoint = transitiveEndpoint(wgEndpoint);
      if (publicKey === self.snapshot.publicKey || endpoint === null) continue;
      const ip = parseIp(endpoint.host);
      if (ip === null || !isPublic(ip) || underlay.isInsideMesh(ip)) continue;
      const to = { host: ip, port: gossipPort };
      places.set(endpointText(to), { to, publicKey });
    }
    this.#detail = `${places.size} places told, ${Math.round(clock.wallMs() / 1000) - found.timestampSeconds} s ago`;
    // The key is only where the answer is expected from: whoever answers says itself who it is.
    for (const { to } of places.values()) {
      contact({ to, publicKey: null, reason: "dht", purpose: "ask", small: true });
    }
  }

  async #write(issue: Issue | null, own: Announcement, signal: AbortSignal): Promise<void> {
    const { random, sealer, title } = this.#options;
    const body = writeIssueBody(own, sealer, random);
    if (issue === null) await this.#client.create(title, body, signal);
    else await this.#client.update(issue.number, body, signal);
    this.#outcomes.add(1, { outcome: "written" });
    this.#detail = `told of ${own.knownPeers.length + 1} places`;
  }

  /** What we would write; null when nobody could reach us by it. */
  #ownWord(): Announcement | null {
    const { clock, self, store } = this.#options;
    const node = self.snapshot;
    if (node.externalHost === null || !isPublic(node.externalHost)) return null;
    const knownPeers = (this.#options.namesNobody ? [] : store.list())
      .filter((peer) => store.isActive(peer))
      .flatMap((peer): Mention[] => {
        const { endpoint, hostname, introducer, meshIp, meshIpv6, natType, publicKey } = peer;
        const ip = endpoint && parseIp(endpoint.host);
        if (endpoint === null || ip === null || meshIp === null || !isPublic(ip)) return [];
        return [
          { publicKey, hostname, meshIp, meshIpv6, introducer, natType, wgEndpoint: endpointText(endpoint) },
        ];
      });
    return {
      publicKey: node.publicKey,
      hostname: node.hostname,
      meshIp: node.meshIp,
      meshIpv6: node.meshIpv6,
      wgEndpoint: endpointText(ownEndpoint(node)),
      introducer: node.introducer,
      natType: node.natType,
      networks: [],
      timestampSeconds: Math.floor(clock.wallMs() / 1000),
      knownPeers,
      observedEndpoint: "",
      instance: node.instance,
    };
  }

  #isConnected(): boolean {
    const { clock, store } = this.#options;
    return store.list().some((peer) => isConnected(peer.lastHandshakeMs, clock.wallMs()));
  }
}

const isPublic = (ip: IpAddress): boolean => PUBLIC.has(ipKind(ip));
