/** What routers, hosts and the core of the Internet have in common: links, and somewhere to put them. */
import { must } from "../harness/exec.ts";

/** What a namespace got that was attached to a network. */
export interface Attachment {
  /** IPv4, one or more; the first is the one packets leave with. */
  readonly addresses: readonly string[];
  /** The IPv6 prefix of the /48, without the colons at its end; null without IPv6. */
  readonly prefix: string | null;
  /** The link's other end. */
  readonly port: string;
  /** Takes the link away, with what led to it. */
  detach(): void;
  /** Takes the other end down or up: what is attached sees its carrier go. */
  setLink(state: "up" | "down"): void;
  /** Drops that share of the packets, in each direction; 0 none. */
  setLoss(percent: number): void;
}

export interface AttachOptions {
  /** How many IPv4 addresses. */
  readonly count?: number;
  /** Gives a /48 of 2001:db8::/32 as well, with ::1 of it on the link. */
  readonly ipv6?: boolean;
  /** False routes the addresses to the link without putting them there (a userspace NAT has them). */
  readonly assign?: boolean;
}

/** A place to attach to: the core, or the private side of a router. */
export interface Network {
  attach(namespace: string, link: string, options?: AttachOptions): Attachment;
}

/** Runs `ip` commands in a namespace, one a line. */
export function ip(namespace: string, ...commands: readonly string[]): void {
  must(["ip", "-n", namespace, "-batch", "-"], `${commands.join("\n")}\n`);
}

/** Adds nft rules, in a table of the name for both families. Replaces one of that name. */
export function rules(namespace: string, table: string, text: string): void {
  const whole = `table inet ${table}\ndelete table inet ${table}\ntable inet ${table} {\n${text}\n}\n`;
  must(["ip", "netns", "exec", namespace, "nft", "-f", "-"], whole);
}

/**
 * What every namespace of the Internet is set to: no waiting for duplicate addresses, and no reverse path filter, since
 * userspace NATs route by policy (the core, which could check, has none either: what nobody owns has no route back).
 */
export function settle(namespace: string, { forwarding = false } = {}): void {
  const settings = [
    "net.ipv6.conf.all.accept_dad=0",
    "net.ipv6.conf.default.accept_dad=0",
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
    `net.ipv4.ip_forward=${forwarding ? 1 : 0}`,
    `net.ipv6.conf.all.forwarding=${forwarding ? 1 : 0}`,
  ];
  must(["ip", "netns", "exec", namespace, "sysctl", "-q", "-w", ...settings]);
}

/** The links of a router that lose packets. */
export class LossyPorts {
  readonly #namespace: string;
  readonly #losses = new Map<string, number>();

  constructor(namespace: string) {
    this.#namespace = namespace;
  }

  /** Drops `percent` of what goes in and of what goes out there; 0 drops nothing any more. */
  set(port: string, percent: number): void {
    if (percent === 0) this.#losses.delete(port);
    else this.#losses.set(port, percent);
    const lines = [...this.#losses].flatMap(([name, share]) =>
      ["iifname", "oifname"].map((side) => `${side} "${name}" numgen random mod 100 < ${share} drop`),
    );
    rules(
      this.#namespace,
      "loss",
      `chain lossy { type filter hook forward priority filter;\n${lines.join("\n")}\n}`,
    );
  }
}
