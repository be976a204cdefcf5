/**
 * An Internet in memory with NATs of the kinds that hole punching meets: hosts, each behind a NAT of its own or none, and UDP
 * between them.
 */
import type { Clock } from "../../../../src/core/clock.ts";
import { type Endpoint, endpointText } from "../../../../src/core/types.ts";
import { decodeMessage, encodeMessage } from "../../../../src/discovery/stun/message.ts";
import type { UdpSocketFactory } from "../../../../src/discovery/udpSocket.ts";

/**
 * O public; F a stateful firewall; S a static forward of WireGuard's port; M Linux masquerade that drops new packets from outside; I the same
 * with them accepted by the router, which spoils the mapping; R symmetric with random ports; Q symmetric with ports counted up; FC, AR, PR
 * one mapping for all destinations, filtering by nothing, by address, by address and port.
 */
export type Kind = "O" | "F" | "S" | "M" | "I" | "R" | "Q" | "FC" | "AR" | "PR";

/** Linux forgets an unanswered flow then. */
const FORGET_MS = 30_000;
const DELAY_MS = 10;
const FORWARDED_PORT = 51_820;

interface Mapping {
  readonly inside: Endpoint;
  readonly outside: number;
  /** Whom it is for; "" for everybody. */
  readonly for: string;
  usedAtMs: number;
}

type Receive = (data: Buffer, from: Endpoint) => void;

class Host {
  readonly sockets = new Map<number, Receive>();
  nextPort = 40_000;
  readonly ip: string;
  nat: Nat | null;

  constructor(ip: string, nat: Nat | null) {
    this.ip = ip;
    this.nat = nat;
  }
}

class Nat {
  readonly #mappings: Mapping[] = [];
  /** Flows that the router itself took from outside: source text to port, of kind I. */
  readonly #taken = new Map<string, number>();
  /** Whom the inside has sent to, by outside port. */
  readonly #opened = new Map<string, number>();
  #count = 20_000;
  readonly kind: Kind;
  readonly ip: string;
  readonly #clock: Clock;
  readonly #unit: () => number;

  constructor(kind: Kind, ip: string, clock: Clock, unit: () => number) {
    this.kind = kind;
    this.ip = ip;
    this.#clock = clock;
    this.#unit = unit;
  }

  /** The outside address of a packet from inside. */
  out(inside: Endpoint, to: Endpoint): Endpoint {
    const nowMs = this.#clock.monotonicMs();
    const port = this.#mapping(inside, to, nowMs).outside;
    this.#opened.set(`${port} ${to.host}`, nowMs);
    this.#opened.set(`${port} ${endpointText(to)}`, nowMs);
    return { host: this.ip, port };
  }

  /** Where a packet from outside goes inside, or null. */
  in(from: Endpoint, port: number): Endpoint | null {
    const nowMs = this.#clock.monotonicMs();
    const mapping = this.#mappings.find(
      (one) =>
        one.outside === port &&
        (this.#isForwarded(port) || this.#isFresh(one.usedAtMs, nowMs)) &&
        (one.for === "" || one.for === endpointText(from)),
    );
    if (mapping !== undefined && this.#passes(from, port, nowMs)) {
      mapping.usedAtMs = nowMs;
      return mapping.inside;
    }
    if (this.kind === "I") this.#taken.set(`${endpointText(from)} ${port}`, nowMs);
    return null;
  }

  #passes(from: Endpoint, port: number, nowMs: number): boolean {
    const open = (whom: string): boolean =>
      this.#isFresh(this.#opened.get(`${port} ${whom}`) ?? Number.NEGATIVE_INFINITY, nowMs);
    if (this.kind === "FC" || this.#isForwarded(port)) return true;
    return this.kind === "AR" ? open(from.host) : open(endpointText(from));
  }

  #mapping(inside: Endpoint, to: Endpoint, nowMs: number): Mapping {
    const symmetric = this.kind === "R" || this.kind === "Q";
    const whom = symmetric || this.kind === "I" ? endpointText(to) : "";
    const known = this.#mappings.find(
      (one) => one.inside.port === inside.port && one.for === whom && this.#isFresh(one.usedAtMs, nowMs),
    );
    if (known !== undefined) {
      known.usedAtMs = nowMs;
      return known;
    }
    const mapping = { inside, outside: this.#port(inside.port, to, nowMs), for: whom, usedAtMs: nowMs };
    this.#mappings.push(mapping);
    return mapping;
  }

  #port(inside: number, to: Endpoint, nowMs: number): number {
    if (this.kind === "R") return 1_024 + Math.floor(this.#unit() * 64_000);
    if (this.kind === "Q") return this.#count++;
    // Others keep it, unless the router took a flow of the very same addresses before.
    const takenAtMs = this.#taken.get(`${endpointText(to)} ${inside}`) ?? Number.NEGATIVE_INFINITY;
    const taken = this.kind === "I" && this.#isFresh(takenAtMs, nowMs);
    return taken ? 1_024 + Math.floor(this.#unit() * 64_000) : inside;
  }

  #isForwarded(port: number): boolean {
    return this.kind === "S" && port === FORWARDED_PORT;
  }

  #isFresh(atMs: number, nowMs: number): boolean {
    return nowMs - atMs < FORGET_MS;
  }
}

export class NatNetwork {
  readonly #clock: Clock;
  readonly #unit: () => number;
  readonly #hosts = new Map<string, Host>();
  readonly #outside = new Map<string, Host>();
  /** Packets by destination host. */
  readonly packetsTo = new Map<string, number>();
  #next = 1;
  readonly stunServers: readonly Endpoint[] = [
    { host: "198.51.100.1", port: 3478 },
    { host: "198.51.100.2", port: 3478 },
  ];
  /** Called for each packet, with its fate. */
  trace: (from: Endpoint, to: Endpoint, data: Buffer, fate: "passes" | "dropped") => void = () => {};

  constructor(clock: Clock, unit: () => number) {
    this.#clock = clock;
    this.#unit = unit;
    for (const server of this.stunServers) this.#addStunServer(server);
  }

  #addStunServer({ host, port }: Endpoint): void {
    this.#hosts.set(host, new Host(host, null));
    this.#outside.set(host, this.#host(host));
    const socket = this.open(host, port, (data, from) => {
      const request = decodeMessage(data);
      if (request?.class === "request") {
        socket.send(encodeMessage("success", request.transactionId, { mapped: from }), from);
      }
    });
  }

  /** A host with a NAT of that kind in front of it; returns its public address. */
  addHost(name: string, kind: Kind): string {
    const number = this.#next++;
    const publicIp = `203.0.113.${number}`;
    const isBehind = kind !== "O" && kind !== "F";
    const nat = kind === "O" ? null : new Nat(kind, publicIp, this.#clock, this.#unit);
    const host = new Host(isBehind ? `192.168.${number}.2` : publicIp, nat);
    this.#hosts.set(name, host);
    this.#outside.set(publicIp, host);
    // A static forward is there from the start.
    if (kind === "S") nat?.out({ host: host.ip, port: FORWARDED_PORT }, { host: "0.0.0.0", port: 1 });
    return publicIp;
  }

  /** The NAT in front of the host starts anew, at another address: all it knew is gone. */
  reboot(name: string): string {
    const host = this.#host(name);
    if (host.nat === null) throw new Error(`${name} has no NAT`);
    this.#outside.delete(host.nat.ip);
    const publicIp = `203.0.113.${this.#next++}`;
    host.nat = new Nat(host.nat.kind, publicIp, this.#clock, this.#unit);
    this.#outside.set(publicIp, host);
    return publicIp;
  }

  /** The address of the host's own interface. */
  insideOf(name: string): string {
    return this.#host(name).ip;
  }

  open(
    name: string,
    port: number,
    receive: Receive,
  ): { port: number; send: (data: Uint8Array, to: Endpoint) => void; close: () => void } {
    const host = this.#host(name);
    const bound = port === 0 ? host.nextPort++ : port;
    host.sockets.set(bound, receive);
    return {
      port: bound,
      send: (data, to) => this.#send(host, bound, Buffer.from(data), to),
      close: () => void host.sockets.delete(bound),
    };
  }

  /** The control socket of a node. */
  factory(name: string): UdpSocketFactory {
    return async (binding, handlers) => {
      if (binding.family === "udp6") throw Object.assign(new Error("no IPv6"), { code: "EAFNOSUPPORT" });
      const socket = this.open(name, binding.port, (data, from) =>
        handlers.datagram(data, { address: from.host, port: from.port }),
      );
      return {
        send: (data, port, address, done) => {
          socket.send(data, { host: address, port });
          done(null);
        },
        joinGroup: () => {},
        sendMulticastVia: () => {},
        close: socket.close,
      };
    };
  }

  /** Puts a datagram on the Internet with any source, as one on the path could. */
  inject(from: Endpoint, to: Endpoint, data: Buffer): void {
    this.#clock.after(DELAY_MS, () => this.#arrive(from, to, data));
  }

  #arrive(from: Endpoint, to: Endpoint, data: Buffer): void {
    const target = this.#outside.get(to.host);
    const inside = target?.nat ? target.nat.in(from, to.port) : target && to;
    this.trace(from, to, data, inside ? "passes" : "dropped");
    if (target && inside) target.sockets.get(inside.port)?.(data, from);
  }

  #send(host: Host, port: number, data: Buffer, to: Endpoint): void {
    this.packetsTo.set(to.host, (this.packetsTo.get(to.host) ?? 0) + 1);
    const from = host.nat?.out({ host: host.ip, port }, to) ?? { host: host.ip, port };
    this.#clock.after(DELAY_MS, () => this.#arrive(from, to, data));
  }

  #host(name: string): Host {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new Error(`no host ${name}`);
    return host;
  }
}
