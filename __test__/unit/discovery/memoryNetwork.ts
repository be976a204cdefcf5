import type { Clock } from "../../../src/core/clock.ts";
import type {
  UdpBinding,
  UdpHandlers,
  UdpSocket,
  UdpSocketFactory,
} from "../../../src/discovery/udpSocket.ts";

export interface NetworkOptions {
  readonly clock: Clock;
  /** 0 to 1, decides the fate of one datagram for one receiver. */
  readonly unit: () => number;
  /** Share of datagrams lost. */
  readonly loss?: number;
  /** One-way delay; each datagram draws its own from this range, so wide ranges reorder. */
  readonly delayMs?: readonly [number, number];
}

/** One datagram as it was put on the network. */
export interface Sent {
  readonly atMs: number;
  readonly from: string;
  readonly to: string;
  readonly data: Buffer;
}

interface Bound {
  readonly host: string;
  readonly binding: UdpBinding;
  readonly port: number;
  readonly handlers: UdpHandlers;
  /** `group@linkAddress` */
  readonly groups: Set<string>;
}

/**
 * A LAN in memory: hosts with one or more IPv4 addresses, unicast between all of them, multicast per segment (the first
 * three octets of an address name its segment).
 */
export class MemoryNetwork {
  readonly sent: Sent[] = [];
  readonly #options: NetworkOptions;
  readonly #sockets = new Set<Bound>();
  readonly #hosts = new Map<string, string[]>();
  readonly #dead = new Set<string>();
  /** `address address`, in the order of their text. */
  readonly #parted = new Set<string>();
  /** Hosts without IPv6 refuse to bind it. */
  ipv6 = true;
  #nextPort = 40_000;
  /** True for two addresses between which nothing passes. */
  parted: ((from: string, to: string) => boolean) | null = null;
  /** Keeps a record of what was sent; off for long runs. */
  record = true;

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  /** Adds a host, or changes its addresses; existing sockets stay but lose memberships of links that are gone. */
  setHost(name: string, addresses: string[]): void {
    this.#hosts.set(name, addresses);
    for (const socket of this.#sockets) {
      if (socket.host !== name) continue;
      for (const group of socket.groups)
        if (!addresses.includes(group.split("@")[1] ?? "")) socket.groups.delete(group);
    }
  }

  /** Unplugs a host (true) or plugs it in again. */
  setDead(name: string, dead: boolean): void {
    if (dead) this.#dead.add(name);
    else this.#dead.delete(name);
  }

  /** Nothing passes between two addresses (true), or all does again. */
  setParted(a: string, b: string, parted: boolean): void {
    const pair = [a, b].sort().join(" ");
    if (parted) this.#parted.add(pair);
    else this.#parted.delete(pair);
  }

  get openSockets(): number {
    return this.#sockets.size;
  }

  factory(host: string): UdpSocketFactory {
    return async (binding, handlers) => this.#bind(host, binding, handlers);
  }

  /** Puts a datagram on the network from anywhere, forged sources included. */
  inject(from: { host: string; port: number }, to: { host: string; port: number }, data: Buffer): void {
    this.#deliver(from, to, data);
  }

  #bind(host: string, binding: UdpBinding, handlers: UdpHandlers): UdpSocket {
    if (binding.family === "udp6" && !this.ipv6) throw withCode("EAFNOSUPPORT");
    const port = binding.port === 0 ? this.#nextPort++ : binding.port;
    for (const other of this.#sockets) {
      const shared = other.binding.reuseAddress === true && binding.reuseAddress === true;
      if (other.host === host && other.port === port && !shared) throw withCode("EADDRINUSE");
    }
    const bound: Bound = { host, binding, port, handlers, groups: new Set() };
    this.#sockets.add(bound);
    let via = this.#hosts.get(host)?.[0] ?? "";
    return {
      send: (data, toPort, address, done) => {
        if (!this.#sockets.has(bound)) return done(withCode("ERR_SOCKET_DGRAM_NOT_RUNNING"));
        if (data.length > 65_507) return done(withCode("EMSGSIZE"));
        const to = { host: address.replace(/^::ffff:/, ""), port: toPort };
        if (to.host.startsWith("198.18.")) return done(withCode("EHOSTUNREACH"));
        const source = isMulticast(to.host) ? via : this.#sourceFor(host, to.host);
        if (!this.#dead.has(host)) this.#deliver({ host: source, port }, to, Buffer.from(data));
        done(null);
      },
      joinGroup: (group, linkAddress) => {
        if (!this.#hosts.get(host)?.includes(linkAddress)) throw withCode("ENODEV");
        const membership = `${group}@${linkAddress}`;
        if (bound.groups.has(membership)) throw withCode("EADDRINUSE");
        bound.groups.add(membership);
      },
      sendMulticastVia: (linkAddress) => {
        via = linkAddress;
      },
      close: () => this.#sockets.delete(bound),
    };
  }

  #sourceFor(host: string, to: string): string {
    const addresses = this.#hosts.get(host) ?? [];
    const near = (octets: number): string | undefined =>
      addresses.find((address) => segment(address, octets) === segment(to, octets));
    return near(3) ?? near(2) ?? addresses[0] ?? "0.0.0.0";
  }

  #deliver(from: { host: string; port: number }, to: { host: string; port: number }, data: Buffer): void {
    const { clock, unit, loss = 0, delayMs = [0.2, 0.6] } = this.#options;
    if (this.record) {
      this.sent.push({
        atMs: clock.monotonicMs(),
        from: `${from.host}:${from.port}`,
        to: `${to.host}:${to.port}`,
        data,
      });
    }
    if (this.#parted.has([from.host, to.host].sort().join(" "))) return;
    for (const socket of this.#sockets) {
      if (socket.port !== to.port || !this.#reaches(socket, from.host, to.host)) continue;
      if (unit() < loss || this.#isParted(from.host, socket.host)) continue;
      const delay = delayMs[0] + unit() * (delayMs[1] - delayMs[0]);
      clock.after(delay, () => {
        if (!this.#sockets.has(socket) || this.#dead.has(socket.host)) return;
        const address = socket.binding.family === "udp6" ? `::ffff:${from.host}` : from.host;
        socket.handlers.datagram(data, { address, port: from.port });
      });
    }
  }

  #isParted(from: string, host: string): boolean {
    return this.#hosts.get(host)?.some((address) => this.parted?.(from, address)) ?? false;
  }

  #reaches(socket: Bound, from: string, to: string): boolean {
    if (!isMulticast(to)) return this.#hosts.get(socket.host)?.includes(to) ?? false;
    return [...socket.groups].some((membership) => {
      const [group, link = ""] = membership.split("@");
      return group === to && segment(link) === segment(from);
    });
  }
}

function segment(address: string, octets = 3): string {
  return address.split(".").slice(0, octets).join(".");
}

function isMulticast(address: string): boolean {
  return address.startsWith("239.");
}

function withCode(code: string): Error {
  return Object.assign(new Error(code), { code });
}
