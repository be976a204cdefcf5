/**
 * The core of the Internet: one router with a link to every site, a route to every address that was given out, and none to
 * anything else: private addresses lead nowhere here, and nothing leads out of the machine.
 */
import { must } from "../harness/exec.ts";
import type { Lab } from "../harness/lab.ts";
import {
  type Attachment,
  type AttachOptions,
  ip,
  LossyPorts,
  type Network,
  rules,
  settle,
} from "./network.ts";

/** What the core is called on each of its links. */
const gateway = "203.0.113.254";

export class Core implements Network {
  readonly namespace: string;
  readonly #losses: LossyPorts;
  #given = 0;
  #givenToServers = 0;
  #links = 0;

  constructor(lab: Lab) {
    this.namespace = lab.addNamespace("core");
    settle(this.namespace, { forwarding: true });
    this.#losses = new LossyPorts(this.namespace);
  }

  /** Gives addresses of TEST-NET-3, then of TEST-NET-2 (RFC 5737): 507 in all. */
  attach(namespace: string, link: string, options: AttachOptions = {}): Attachment {
    const addresses = Array.from({ length: options.count ?? 1 }, () => this.#nextAddress());
    return this.#attach(namespace, link, addresses, options);
  }

  /** The same with addresses of TEST-NET-1, which only servers have. */
  attachServer(namespace: string, count: number, options: AttachOptions = {}): Attachment {
    const addresses = Array.from({ length: count }, () => `192.0.2.${++this.#givenToServers}`);
    return this.#attach(namespace, "eth0", addresses, options);
  }

  /** Packets to a whole network go to the link of that address. */
  routeTo(network: string, address: string): void {
    const [port = ""] =
      /dev (\S+)/.exec(must(["ip", "-n", this.namespace, "route", "get", address]))?.slice(1) ?? [];
    ip(this.namespace, `route add ${network} via ${address} dev ${port} onlink`);
  }

  /** Nothing passes between these links and those, until `join`; the servers are of neither half. */
  part(some: readonly string[], others: readonly string[]): void {
    const names = (ports: readonly string[]): string => `{ ${ports.map((port) => `"${port}"`).join(", ")} }`;
    const lines = [
      `iifname ${names(some)} oifname ${names(others)} drop`,
      `iifname ${names(others)} oifname ${names(some)} drop`,
    ];
    rules(
      this.namespace,
      "parted",
      `chain parted { type filter hook forward priority filter;\n${lines.join("\n")}\n}`,
    );
  }

  join(): void {
    rules(this.namespace, "parted", "");
  }

  #attach(namespace: string, link: string, addresses: readonly string[], options: AttachOptions): Attachment {
    const number = ++this.#links;
    const port = `p${number}`;
    const prefix = options.ipv6 === true ? `2001:db8:${number.toString(16)}` : null;
    const routes = addresses.map((address) => `route replace ${address} dev ${port}`);
    const routes6 = prefix === null ? [] : [`route replace ${prefix}::/48 via fe80::2 dev ${port}`];
    const up = [`link set ${port} up`, `address replace fe80::1/64 dev ${port} nodad`, ...routes, ...routes6];
    ip(
      this.namespace,
      `link add ${port} type veth peer name ${link} netns ${namespace}`,
      `address add ${gateway}/32 dev ${port}`,
      ...up,
    );
    const assigned = options.assign === false ? [] : addresses;
    ip(
      namespace,
      ...assigned.map((address) => `address add ${address}/32 dev ${link}`),
      `link set ${link} up`,
      `route add default via ${gateway} dev ${link} onlink`,
      ...(prefix === null
        ? []
        : [
            `address add fe80::2/64 dev ${link} nodad`,
            `address add ${prefix}::1/128 dev ${link} nodad`,
            `route add default via fe80::1 dev ${link}`,
          ]),
    );
    return {
      addresses,
      prefix,
      port,
      detach: () => ip(this.namespace, `link delete ${port}`),
      // The routes go with a link that is down.
      setLink: (state) => ip(this.namespace, ...(state === "up" ? up : [`link set ${port} down`])),
      setLoss: (percent) => this.#losses.set(port, percent),
    };
  }

  #nextAddress(): string {
    const number = ++this.#given;
    return number < 254 ? `203.0.113.${number}` : `198.51.100.${number - 253}`;
  }
}
