/**
 * The one place that says what our own addresses are (row C6): it takes in what STUN, other members and the host's links tell,
 * and puts the outcome into the local node in one piece.
 */
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import { type Endpoint, endpointText, type IpAddress, type PublicKey, parseIp } from "../core/types.ts";
import { type LocalNode, ownEndpoint } from "../peers/localNode.ts";
import { adoptObserved } from "../wire/observedEndpoint.ts";
import { type AdvertisedEndpoint, type OwnAddress, ownAddress } from "./ownAddressRules.ts";
import { Reflections } from "./reflections.ts";
import type { Underlay } from "./seams.ts";
import type { SocketVerdicts, StunFindings } from "./stun/verdict.ts";

export interface OwnAddressOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly self: LocalNode;
  readonly underlay: Underlay;
  readonly noIpv6: boolean;
  /** False without STUN: then nothing is waited for. */
  readonly stun: boolean;
  /** `--advertise-endpoint` */
  readonly advertised?: AdvertisedEndpoint | null;
  /** True for links that discovery may use. */
  allows(linkName: string): boolean;
}

const NO_FINDINGS: StunFindings = { wireguard: null, control: { ipv4: null, ipv6: null } };

export class OwnAddressKeeper {
  readonly #options: OwnAddressOptions;
  #reflections = new Reflections();
  #reflected: IpAddress | null = null;
  #findings = NO_FINDINGS;
  #settled: boolean;
  #advertised: AdvertisedEndpoint | null;
  #interfaceAddresses: readonly IpAddress[] = [];
  #wireguardPort: number;
  readonly #unsubscribe: () => void;

  constructor(options: OwnAddressOptions) {
    this.#options = options;
    this.#settled = !options.stun;
    this.#advertised = options.advertised ?? null;
    this.#wireguardPort = options.self.snapshot.wireguardPort;
    this.#readLinks();
    this.#publish();
    this.#unsubscribe = options.self.subscribe(({ wireguardPort }) => this.#portIs(wireguardPort));
  }

  close(): void {
    this.#unsubscribe();
  }

  /** The addresses of the links that may be used. */
  get interfaceAddresses(): readonly IpAddress[] {
    return this.#interfaceAddresses;
  }

  /** A member says where our HELLO to it came from (PROTOCOL.md section 5.2). */
  observed(witness: PublicKey, observedEndpoint: string): void {
    const { clock, noIpv6, underlay } = this.#options;
    const seen = adoptObserved(observedEndpoint, this.#reflected, noIpv6);
    if (seen === null || underlay.isInsideMesh(seen)) return;
    if (!this.#reflections.convinces(witness, seen, this.#reflected, clock.monotonicMs())) return;
    this.#reflected = seen;
    this.#publish();
  }

  /** STUN learned something; null when nobody answers, which takes back nothing: see {@link networkChanged}. */
  found(findings: StunFindings | null): void {
    this.#settled = true;
    if (findings !== null) this.#findings = this.#outsideMesh(findings);
    this.#publish();
  }

  /** The operator says where we are reached; null leaves it to what is found. */
  advertise(advertised: AdvertisedEndpoint | null): void {
    this.#advertised = advertised;
    this.#publish();
  }

  /** In another network, what was said of our address is void. */
  networkChanged(): void {
    this.#reflections = new Reflections();
    this.#reflected = null;
    this.#findings = NO_FINDINGS;
    this.#settled = !this.#options.stun;
    this.#readLinks();
    this.#publish();
  }

  /** Something of the host changed that need not move us, such as a further address on a link. */
  refresh(): void {
    this.#readLinks();
    this.#publish();
  }

  /** WireGuard was bound to another port: the mapping of the old one is of no use. */
  #portIs(wireguardPort: number): void {
    if (wireguardPort === this.#wireguardPort) return;
    this.#wireguardPort = wireguardPort;
    this.#findings = { ...this.#findings, wireguard: null };
    this.#publish();
  }

  #readLinks(): void {
    const { allows, noIpv6, underlay } = this.#options;
    const addresses = underlay
      .addresses()
      .filter(({ linkName }) => allows(linkName))
      .map(({ address }) => parseIp(address))
      .filter((ip) => ip !== null && !(noIpv6 && ip.includes(":")) && !underlay.isInsideMesh(ip));
    this.#interfaceAddresses = [...new Set(addresses as IpAddress[])];
  }

  /** A server that puts us into our own mesh is mistaken, or lies. */
  #outsideMesh(findings: StunFindings): StunFindings {
    const { underlay } = this.#options;
    const checked = ({ ipv4, ipv6 }: SocketVerdicts): SocketVerdicts => ({
      ipv4: ipv4 && underlay.isInsideMesh(ipv4.mapped.host) ? null : ipv4,
      ipv6: ipv6 && underlay.isInsideMesh(ipv6.mapped.host) ? null : ipv6,
    });
    return {
      control: checked(findings.control),
      wireguard: findings.wireguard && checked(findings.wireguard),
    };
  }

  #publish(): void {
    const { log, self } = this.#options;
    const before = self.snapshot;
    const after = ownAddress({
      wireguardPort: before.wireguardPort,
      ...this.#findings,
      reflected: this.#reflected,
      settled: this.#settled,
      interfaceAddresses: this.#interfaceAddresses,
      advertised: this.#advertised,
    });
    const change = difference(before, after);
    if (change === null) return;
    self.update(change);
    const [from, endpoint] = [before, self.snapshot].map((node) => endpointText(ownEndpoint(node)));
    const { natType } = self.snapshot;
    if (from !== endpoint || natType !== before.natType) {
      log.info({ from, endpoint, natType }, "own endpoint changed");
    }
  }
}

/** The members that are new, or null; what is equal keeps its identity, so that nobody takes it for news. */
function difference(before: OwnAddress, after: OwnAddress): Partial<OwnAddress> | null {
  const names = Object.keys(after) as (keyof OwnAddress)[];
  const changed = names.filter((name) => text(before[name]) !== text(after[name]));
  if (changed.length === 0) return null;
  return Object.fromEntries(changed.map((name) => [name, after[name]]));
}

const text = (value: OwnAddress[keyof OwnAddress]): string =>
  JSON.stringify(value, (_key, member: unknown) => (isEndpoint(member) ? endpointText(member) : member));

function isEndpoint(value: unknown): value is Endpoint {
  return typeof value === "object" && value !== null && "host" in value && "port" in value;
}
