/** A place on the Internet of some kind: a router with hosts behind it, or, for the kinds without one, the hosts themselves. */
import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { must } from "../harness/exec.ts";
import type { Host, Lab } from "../harness/lab.ts";
import { firstHost, type Kind, type KindName, kindOf } from "./kinds.ts";
import {
  type Attachment,
  type AttachOptions,
  ip,
  LossyPorts,
  type Network,
  rules,
  settle,
} from "./network.ts";

export const program = (name: string): string[] => [
  "/usr/bin/python3",
  "-B",
  path.resolve("__test__/mesh/lab/programs", name),
];

export interface SiteOptions {
  /** What the router is attached to; the core unless given. */
  readonly upstream?: Network;
  /** A /64 behind the router's stateful IPv6 firewall, or an address of the /48 for a public host. */
  readonly ipv6?: boolean;
  /** A carrier's network has shared addresses (RFC 6598). */
  readonly carrier?: boolean;
  /** Only with a userspace NAT: packets to an own external endpoint come back in. */
  readonly hairpin?: boolean;
}

export class Site implements Network {
  readonly name: string;
  readonly kind: KindName;
  readonly hosts: Host[] = [];
  /** The namespace of the router; null where hosts are on the Internet themselves. */
  readonly router: string | null;
  readonly #lab: Lab;
  readonly #core: Network;
  readonly #options: SiteOptions;
  /** Kinds are double where a second router of the same rules stands before this one. */
  readonly #outer: Site | null;
  #wan: Attachment | null = null;
  #nat: ChildProcess | null = null;
  #losses: LossyPorts | null = null;
  #links = 0;

  constructor(lab: Lab, core: Network, name: string, kind: KindName, options: SiteOptions = {}) {
    this.#lab = lab;
    this.name = name;
    this.kind = kind;
    this.#options = options;
    this.#outer = kind === "MM" ? new Site(lab, core, `${name}-carrier`, "M", { carrier: true }) : null;
    this.#core = this.#outer ?? options.upstream ?? core;
    const { rules: routerRules, userspace } = kindOf(kind) as Kind;
    const hasRouter = routerRules !== undefined || userspace !== undefined;
    this.router = hasRouter ? lab.addNamespace(`${name}-router`) : null;
    if (this.router !== null) this.#setUpRouter(this.router);
  }

  /** The IPv4 address the Internet sees: that of the outermost router, or the first host's. */
  get address(): string {
    if (this.#core instanceof Site) return this.#core.address;
    const address = this.router === null ? this.hosts[0]?.address : this.#wan?.addresses[0];
    if (address === undefined) throw new Error(`site ${this.name} has no address yet`);
    return address;
  }

  /** The IPv6 network of a site that has one: a /48, without the colons at its end. */
  get prefix(): string {
    const { prefix } = this.#upstream();
    if (prefix === null) throw new Error(`site ${this.name} has no IPv6`);
    return prefix;
  }

  /** Another router stands between this one and the Internet. */
  get isNested(): boolean {
    return this.#core instanceof Site;
  }

  /** Adds a host. A static forward leads to the first one. */
  addHost(name: string): Host {
    const namespace = this.#lab.addNamespace(name);
    settle(namespace);
    const host = { namespace, folder: this.#lab.newFolder(name), address: this.#join(namespace) };
    this.hosts.push(host);
    return host;
  }

  /** A host of another site comes here, with an address of this one. Its namespace and what runs in it stay. */
  receive(host: Host): Host {
    ip(host.namespace, "link delete eth0");
    const moved = { ...host, address: this.#join(host.namespace) };
    this.hosts.push(moved);
    return moved;
  }

  /** The router starts anew: another public address, no mapping left. */
  reboot(): void {
    if (this.router === null) throw new Error(`site ${this.name} has no router`);
    if (this.#outer !== null) {
      this.#outer.reboot();
      return;
    }
    this.#nat?.kill("SIGKILL");
    this.#wan?.detach();
    this.#connect(this.router);
  }

  /** The router forgets its mappings, as it does those of a host that sleeps for long. Only of userspace NATs. */
  forget(): void {
    if (this.router === null || this.#nat === null) throw new Error(`site ${this.name} has no userspace NAT`);
    this.#nat.kill("SIGKILL");
    this.#startNat(this.router, this.address);
  }

  /** The other end of its link upstream. */
  get port(): string {
    return this.#upstream().port;
  }

  /** Cuts the site off, or mends that. */
  setLink(state: "up" | "down"): void {
    this.#upstream().setLink(state);
  }

  /** Drops that share of its packets, in each direction. */
  setLoss(percent: number): void {
    this.#upstream().setLoss(percent);
  }

  /** The private side of the router: another router, or a host. */
  attach(namespace: string, link: string, options: AttachOptions = {}): Attachment {
    const { router } = this;
    if (router === null) throw new Error(`site ${this.name} has no private side`);
    const number = ++this.#links;
    const port = `l${number}`;
    const address = `${this.#network}.${firstHost + number - 1}`;
    const gateway = `${this.#network}.1`;
    const prefix = this.#wan?.prefix ?? null;
    ip(
      router,
      `link add ${port} type veth peer name ${link} netns ${namespace}`,
      `link set ${port} master lan`,
      `link set ${port} up`,
    );
    ip(
      namespace,
      ...(options.assign === false ? [] : [`address add ${address}/24 dev ${link}`]),
      `link set ${link} up`,
      `route add default via ${gateway} dev ${link} onlink`,
      ...(prefix === null
        ? []
        : [
            `address add ${prefix}:1::${firstHost + number - 1}/64 dev ${link} nodad`,
            `route add default via ${prefix}:1::1 dev ${link}`,
          ]),
    );
    this.#losses ??= new LossyPorts(router);
    const losses = this.#losses;
    return {
      addresses: [address],
      prefix,
      port,
      detach: () => ip(router, `link delete ${port}`),
      setLink: (state) => ip(router, `link set ${port} ${state}`),
      setLoss: (percent) => losses.set(port, percent),
    };
  }

  get #network(): string {
    return this.#options.carrier === true ? "100.64.0" : "192.168.1";
  }

  #upstream(): Attachment {
    if (this.#wan === null) throw new Error(`site ${this.name} has no link yet`);
    return this.#wan;
  }

  #join(namespace: string): string {
    if (this.router !== null) return this.attach(namespace, "eth0").addresses[0] ?? "";
    const link = this.#core.attach(namespace, "eth0", { ipv6: this.#options.ipv6 === true });
    this.#wan ??= link;
    if (this.kind === "F") {
      rules(
        namespace,
        "firewall",
        'chain input { type filter hook input priority filter; iifname "eth0" meta l4proto != ipv6-icmp ct state new drop; }',
      );
    }
    return link.addresses[0] ?? "";
  }

  #setUpRouter(router: string): void {
    const { userspace, rules: routerRules } = kindOf(this.kind) as Kind;
    settle(router, { forwarding: true });
    ip(router, "link add lan type bridge", `address add ${this.#network}.1/24 dev lan`, "link set lan up");
    if (userspace !== undefined) {
      // What comes from the private side, and what is for the public address, goes through the program.
      ip(
        router,
        "tuntap add nat0 mode tun",
        "link set nat0 up",
        "route add default dev nat0 table 100",
        "rule add iif lan lookup 100",
      );
    }
    const firewall6 =
      'chain forward6 { type filter hook forward priority filter; meta nfproto ipv6 iifname "wan" meta l4proto != ipv6-icmp ct state new drop; }';
    rules(router, "nat", `${routerRules ?? ""}\n${firewall6}`);
    this.#connect(router);
  }

  #connect(router: string): void {
    const { userspace } = kindOf(this.kind) as Kind;
    const wan = this.#core.attach(router, "wan", {
      assign: userspace === undefined,
      ipv6: this.#options.ipv6 === true,
    });
    this.#wan = wan;
    if (wan.prefix !== null) ip(router, `address replace ${wan.prefix}:1::1/64 dev lan nodad`);
    if (userspace !== undefined) this.#startNat(router, wan.addresses[0] ?? "");
  }

  #startNat(router: string, address: string): void {
    const { userspace } = kindOf(this.kind) as Required<Kind>;
    // Answers for its address on the link upstream, at once.
    const settings = ["net.ipv4.conf.wan.proxy_arp=1", "net.ipv4.neigh.wan.proxy_delay=0"];
    must(["ip", "netns", "exec", router, "sysctl", "-q", "-w", ...settings]);
    ip(router, `route replace ${address}/32 dev nat0`);
    const options = [
      ...["--mapping", userspace.mapping, "--filtering", userspace.filtering, "--ports", userspace.ports],
      ...(this.#options.hairpin === true ? ["--hairpin"] : []),
    ];
    const command = ["netns", "exec", router, ...program("nat.py"), "nat0", address, ...options];
    this.#nat = spawn("ip", command, { stdio: ["ignore", "ignore", "inherit"] });
    // Nobody waits for it: it goes with its namespace.
    this.#nat.unref();
  }
}
