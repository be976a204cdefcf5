/**
 * The Internet of a simulated world: hosts with one IPv4 address each on LANs of 254, routed among each other, without NAT. Datagrams
 * are lost, delayed and so reordered; multicast stays on its LAN.
 */
import type { Random } from "../../../src/core/random.ts";
import type {
  UdpBinding,
  UdpHandlers,
  UdpSocket,
  UdpSocketFactory,
} from "../../../src/discovery/udpSocket.ts";
import type { EventQueue } from "./eventQueue.ts";
import { TRACED, type Trace } from "./trace.ts";

interface Bound {
  readonly host: Host;
  readonly binding: UdpBinding;
  readonly port: number;
  readonly handlers: UdpHandlers;
  readonly groups: Set<string>;
  open: boolean;
}

/** What a host has sent since it was last asked. */
export interface Traffic {
  /** Of discovery, those through tunnels and to groups included. */
  datagrams: number;
  bytes: number;
  /** Out of WireGuard's port, to open the way through NATs. */
  punches: number;
  /** WireGuard's own: handshakes and keepalives. */
  tunnelDatagrams: number;
  tunnelBytes: number;
}

/** Where packets for a host's WireGuard and mesh address go. */
export interface TunnelDoor {
  /** A datagram from this host to a mesh address. */
  send(to: { readonly host: string; readonly port: number }, fromPort: number, data: Buffer): void;
}

export class Host {
  readonly index: number;
  ip: string;
  /** Hosts reach each other within a group; group 0 has the DHT too. */
  group = 0;
  /** False: the cable is out. */
  plugged = true;
  tunnel: TunnelDoor | null = null;
  readonly sockets = new Map<number, Bound[]>();
  traffic: Traffic = noTraffic();
  /** Told of each datagram of discovery that leaves. */
  watch: ((data: Buffer, to: string) => void) | null = null;

  constructor(index: number, ip: string) {
    this.index = index;
    this.ip = ip;
  }

  get lan(): string {
    return lanOf(this.ip);
  }

  /** A datagram came through the tunnel, from the mesh address of a peer. */
  receiveFromTunnel(
    toPort: number,
    from: { readonly host: string; readonly port: number },
    data: Buffer,
  ): void {
    for (const bound of this.sockets.get(toPort) ?? []) deliver(bound, from.host, from.port, data);
  }

  /** The process that had them is gone. */
  closeSockets(): void {
    for (const bound of [...this.sockets.values()].flat()) bound.open = false;
    this.sockets.clear();
  }
}

export interface Weather {
  /** Share of datagrams lost. */
  readonly loss: number;
  /** One way; each datagram draws its own. */
  readonly delayMs: readonly [number, number];
}

export class Network {
  weather: Weather = { loss: 0, delayMs: [1, 20] };
  readonly #queue: EventQueue;
  readonly #random: Random;
  readonly #trace: Trace;
  readonly #byIp = new Map<string, Host>();
  readonly #byLan = new Map<string, Set<Host>>();
  #nextPort = 40_000;
  #lastId = 0;

  constructor(queue: EventQueue, random: Random, trace: Trace) {
    this.#queue = queue;
    this.#random = random;
    this.#trace = trace;
  }

  addHost(index: number, ip: string): Host {
    const host = new Host(index, ip);
    this.#enter(host);
    return host;
  }

  /** The host has another address from now on; its sockets stay, its memberships of groups do not. */
  move(host: Host, ip: string): void {
    this.#byIp.delete(host.ip);
    this.#byLan.get(host.lan)?.delete(host);
    host.ip = ip;
    this.#enter(host);
    for (const bound of [...host.sockets.values()].flat()) bound.groups.clear();
  }

  /** Another number each time, for handshakes. */
  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  reaches(from: Host, to: Host): boolean {
    return from.plugged && to.plugged && from.group === to.group;
  }

  /** Takes a packet of `sizeBytes` to whoever has the address when it arrives; nobody is told when nobody has. */
  carry(from: Host, toIp: string, sizeBytes: number, arrive: (to: Host, fromIp: string) => void): void {
    const to = this.#byIp.get(toIp);
    this.#trace.add(TRACED.sent, this.#queue.nowMs, from.index, sizeBytes);
    if (to === undefined) return;
    const fromIp = from.ip;
    this.#fly(from, to, () => {
      // It may have moved while the packet was under way.
      if (to.ip === toIp) arrive(to, fromIp);
    });
  }

  factory(host: Host): UdpSocketFactory {
    return async (binding, handlers) => this.#bind(host, binding, handlers);
  }

  #enter(host: Host): void {
    if (this.#byIp.has(host.ip)) throw new Error(`${host.ip} is taken`);
    this.#byIp.set(host.ip, host);
    const lan = this.#byLan.get(host.lan) ?? new Set();
    this.#byLan.set(host.lan, lan.add(host));
  }

  #fly(from: Host, to: Host, arrive: () => void): void {
    const { loss, delayMs } = this.weather;
    const isLost = this.#random.unit() < loss;
    const delay = delayMs[0] + this.#random.unit() * (delayMs[1] - delayMs[0]);
    if (isLost || !this.reaches(from, to)) return;
    this.#queue.after(delay, () => {
      if (!this.reaches(from, to)) return;
      this.#trace.add(TRACED.arrived, this.#queue.nowMs, from.index, to.index);
      arrive();
    });
  }

  #bind(host: Host, binding: UdpBinding, handlers: UdpHandlers): UdpSocket {
    const port = binding.port === 0 ? this.#nextPort++ : binding.port;
    const others = host.sockets.get(port) ?? [];
    const shared =
      binding.reuseAddress === true && others.every((other) => other.binding.reuseAddress === true);
    if (others.length > 0 && !shared) throw Object.assign(new Error("EADDRINUSE"), { code: "EADDRINUSE" });
    const bound: Bound = { host, binding, port, handlers, groups: new Set(), open: true };
    host.sockets.set(port, [...others, bound]);
    return {
      send: (data, toPort, address, done) => {
        if (bound.open) this.#send(bound, Buffer.from(data), toPort, address.replace(/^::ffff:/, ""));
        done(null);
      },
      joinGroup: (group) => void bound.groups.add(group),
      sendMulticastVia: () => {},
      close: () => {
        bound.open = false;
        host.sockets.set(
          port,
          (host.sockets.get(port) ?? []).filter((other) => other !== bound),
        );
      },
    };
  }

  #send({ host, port }: Bound, data: Buffer, toPort: number, toIp: string): void {
    host.traffic.datagrams += 1;
    host.traffic.bytes += data.length;
    host.watch?.(data, toIp);
    if (isMeshAddress(toIp)) {
      host.tunnel?.send({ host: toIp, port: toPort }, port, data);
      return;
    }
    if (!toIp.startsWith("239.")) {
      this.carry(host, toIp, data.length, (to, fromIp) => {
        for (const bound of to.sockets.get(toPort) ?? []) deliver(bound, fromIp, port, data);
      });
      return;
    }
    const fromIp = host.ip;
    this.#trace.add(TRACED.sent, this.#queue.nowMs, host.index, data.length);
    for (const to of this.#byLan.get(host.lan) ?? []) {
      const members = (to.sockets.get(toPort) ?? []).filter(({ groups }) => groups.has(toIp));
      if (to === host || members.length === 0) continue;
      this.#fly(host, to, () => {
        for (const bound of members) if (to.lan === lanOf(fromIp)) deliver(bound, fromIp, port, data);
      });
    }
  }
}

export function noTraffic(): Traffic {
  return { datagrams: 0, bytes: 0, punches: 0, tunnelDatagrams: 0, tunnelBytes: 0 };
}

/** Inside the mesh of the simulated world. */
export function isMeshAddress(ip: string): boolean {
  return ip.startsWith("10.77.") || ip.startsWith("fd00:77:");
}

function deliver(bound: Bound, fromIp: string, fromPort: number, data: Buffer): void {
  if (!bound.open) return;
  const address = bound.binding.family === "udp6" ? `::ffff:${fromIp}` : fromIp;
  bound.handlers.datagram(data, { address, port: fromPort });
}

const lanOf = (ip: string): string => ip.slice(0, ip.lastIndexOf("."));
