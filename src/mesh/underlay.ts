/**
 * The host's own network: where discovery may speak, and what is never an endpoint.
 */
import { ipKind } from "../core/ipKind.ts";
import { type Cidr, type IpAddress, parseCidr, parseIp } from "../core/types.ts";
import { NetworkSet } from "./networkSet.ts";

/** A link of the host, as the addon tells it. */
export interface HostLink {
  readonly index: number;
  readonly name: string;
  /** `wireguard`, `tun`, `veth`, … or "" for hardware. */
  readonly kind: string;
  readonly up: boolean;
  readonly loopback: boolean;
  readonly multicast: boolean;
  readonly pointToPoint: boolean;
}

export interface HostAddress {
  readonly linkName: string;
  readonly address: string;
  readonly prefixLength: number;
}

/** What is asked of the operating system. */
export interface HostNetwork {
  links(): readonly HostLink[];
  addresses(): readonly HostAddress[];
  /** Calls back, debounced, after links, addresses or routes changed. */
  watch(onChange: () => void): { close(): void };
}

/** Something changed, or the machine slept and everything may have. */
export type UnderlayEvent = "changed" | "woke";
/** Of networks that are not routed; a hostile member can advertise many. */
const MAX_REFUSED = 1_000;

/** Kinds of links: the kernel's WireGuard, and programs that move packets, such as our embedded one. */
const TUNNELS: ReadonlySet<string> = new Set(["wireguard", "tun"]);

export interface UnderlayOptions {
  readonly host: HostNetwork;
  /** Our own interface: never underlay. */
  readonly interfaceName: string;
  /** The only addresses this node is reached at, at most one of each family; empty or absent for all. */
  readonly listenAddresses?: readonly IpAddress[];
  /** The networks of the mesh addresses, at the start. */
  readonly meshNetworks: readonly Cidr[];
}

/** Satisfies the `Underlay` seam of discovery. */
export class HostUnderlay {
  readonly #options: UnderlayOptions;
  readonly #listeners = new Set<(event: UnderlayEvent) => void>();
  #insideMesh: NetworkSet;
  #meshNetworks: readonly Cidr[];
  #refused = new NetworkSet();
  /** What the two sets were made of; they are told again with each cycle. */
  #accepted = " ";
  /** Asked of the system again after a change. */
  #connected: NetworkSet | null = null;
  #monitor: { close(): void } | null = null;

  constructor(options: UnderlayOptions) {
    this.#options = options;
    this.#meshNetworks = options.meshNetworks;
    this.#insideMesh = new NetworkSet(options.meshNetworks);
  }

  /** Starts to watch the host's network. */
  open(): void {
    this.#monitor ??= this.#options.host.watch(() => {
      this.#connected = null;
      this.#tell("changed");
    });
  }

  /** The machine slept: whatever netlink told or did not tell meanwhile, nothing learned before holds. */
  woke(): void {
    this.#tell("woke");
  }

  close(): void {
    this.#monitor?.close();
    this.#monitor = null;
  }

  /** Links that LAN discovery may use, with their IPv4 addresses. */
  suitableLinks(): { name: string; index: number; ipv4: string[] }[] {
    const addresses = this.#options.host.addresses();
    return this.#options.host
      .links()
      .filter((link) => this.#isSuitable(link))
      .map(({ name, index }) => ({
        name,
        index,
        ipv4: addresses
          .filter((a) => a.linkName === name && !a.address.includes(":") && this.#isOurs(a.address))
          .map((a) => a.address),
      }))
      .filter((link) => link.ipv4.length > 0);
  }

  /**
   * Where this host may be reached: addresses of links that are up, neither loopback nor tunnels; none link-local. A path inside
   * another tunnel, be it that of a second mesh on this host, would end with it.
   */
  addresses(): { linkName: string; address: string }[] {
    return this.hostAddresses().filter(({ address }) => this.#isOurs(address));
  }

  /** The same, whether this node listens there or not. */
  hostAddresses(): { linkName: string; address: string }[] {
    const usable = new Set(
      this.#options.host
        .links()
        .filter(({ up, loopback, kind }) => up && !loopback && !TUNNELS.has(kind))
        .map(({ name }) => name),
    );
    usable.delete(this.#options.interfaceName);
    return this.#options.host
      .addresses()
      .filter(({ linkName, address }) => usable.has(linkName) && !isLinkLocal(address))
      .map(({ linkName, address }) => ({ linkName, address }));
  }

  /** Networks this host is directly connected to, our interface and loopback left out. */
  connectedNetworks(): Cidr[] {
    const loopbacks = new Set(
      this.#options.host
        .links()
        .filter((link) => link.loopback)
        .map((link) => link.name),
    );
    const networks = this.#options.host
      .addresses()
      .filter(({ linkName }) => linkName !== this.#options.interfaceName && !loopbacks.has(linkName))
      .map(({ address, prefixLength }) => parseCidr(`${address}/${prefixLength}`));
    return [...new Set(networks.filter((network) => network !== null))];
  }

  /** The networks of peers that are routed into the tunnel now, and those that are not; the reconciler tells them. */
  setAcceptedNetworks(networks: readonly Cidr[], refused: readonly Cidr[] = []): void {
    const text = `${networks.join()} ${refused.join()}`;
    if (text === this.#accepted) return;
    this.#accepted = text;
    this.#refused = new NetworkSet(refused.slice(0, MAX_REFUSED));
    this.#insideMesh = new NetworkSet([...this.#meshNetworks, ...networks]);
  }

  /** Those of the mesh addresses, while the mesh moves to others. */
  setMeshNetworks(networks: readonly Cidr[]): void {
    this.#meshNetworks = networks;
    this.#insideMesh = new NetworkSet(networks);
    // The accepted ones are told with the next cycle, and count again.
    this.#accepted = " ";
  }

  /** True when packets to the address go into the tunnel, so that it can be no endpoint (weak point 27). */
  isInsideMesh(ip: string): boolean {
    const address = parseIp(ip);
    return address !== null && this.#insideMesh.covers(address);
  }

  /**
   * True when the address lies in a network that a peer advertises, though nothing is routed there, and that this host is not
   * connected to: what is sent there goes to strangers.
   */
  isElsewhere(ip: string): boolean {
    const address = parseIp(ip);
    return address !== null && this.#refused.covers(address) && !this.isAdjacent(ip);
  }

  /** True when the address lies in a network that this host is directly connected to. */
  isAdjacent(ip: string): boolean {
    const address = parseIp(ip);
    this.#connected ??= new NetworkSet(this.connectedNetworks());
    return address !== null && this.#connected.covers(address);
  }

  onChange(listener: (event: UnderlayEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(event: UnderlayEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #isOurs(address: string): boolean {
    const { listenAddresses = [] } = this.#options;
    const ip = parseIp(address);
    return listenAddresses.length === 0 || (ip !== null && listenAddresses.includes(ip));
  }

  #isSuitable(link: HostLink): boolean {
    const reachesMany = link.up && link.multicast && !link.loopback && !link.pointToPoint;
    return reachesMany && link.kind !== "wireguard" && link.name !== this.#options.interfaceName;
  }
}

function isLinkLocal(text: string): boolean {
  const ip = parseIp(text);
  return ip === null || ipKind(ip) === "linkLocal";
}
