/**
 * Lets the kernel pass packets between the mesh and the networks this node advertises (row E3), and undoes exactly that.
 *
 * Every value is written down before it is changed, in `<run-dir>/<iface>.forwarding.json`, so that the next start can
 * undo what a killed run left behind.
 */

import { messageOf, WgmeshError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Cidr } from "../core/types.ts";
import { NetworkSet } from "./networkSet.ts";

/** Kernel settings below /proc/sys/net, such as `ipv4/conf/eth0/forwarding`. */
export interface NetworkSettings {
  /** Null when there is no such setting. */
  read(setting: string): string | null;
  write(setting: string, value: string): void;
  /** The names below `<family>/conf`, `all` and `default` left out. */
  links(family: "ipv4" | "ipv6"): readonly string[];
}

/** Where the original values are kept. */
export interface ForwardingRecord {
  /** Null when there is none; a damaged one throws. */
  load(): Promise<Readonly<Record<string, Change>> | null>;
  save(changes: Readonly<Record<string, Change>>): Promise<void>;
  remove(): Promise<void>;
}

export interface Change {
  readonly from: string;
  readonly to: string;
}

export interface ForwardingOptions {
  readonly interfaceName: string;
  readonly settings: NetworkSettings;
  readonly record: ForwardingRecord;
  readonly log: Log;
  /** Links that lead to the networks, ours left out: see {@link linksToward}. */
  readonly linksToward: (networks: readonly Cidr[]) => readonly string[];
}

export class Forwarding {
  readonly #options: ForwardingOptions;
  /** In the order in which they were made. */
  readonly #changes = new Map<string, Change>();

  constructor(options: ForwardingOptions) {
    this.#options = options;
  }

  /** Undoes what a run that was killed left behind; resolves to whether there was anything. */
  async recover(): Promise<boolean> {
    const left = await this.#options.record.load();
    if (left === null) return false;
    for (const [setting, change] of Object.entries(left)) this.#changes.set(setting, change);
    this.#options.log.info({ settings: [...this.#changes.keys()] }, "forwarding of an earlier run undone");
    await this.undo();
    return true;
  }

  /** Goes on with what the daemon before this one made and left to it. */
  async resume(): Promise<void> {
    const left = await this.#options.record.load();
    for (const [setting, change] of Object.entries(left ?? {})) this.#changes.set(setting, change);
  }

  /**
   * Makes forwarding fit the advertised networks: on for ours and the links that lead to them, as it was everywhere else.
   * Throws when the kernel refuses a setting; the others are made all the same.
   */
  async ensure(networks: readonly Cidr[]): Promise<void> {
    if (networks.length === 0 && this.#changes.size === 0) return;
    const wanted = this.#wantedSettings(networks);
    await this.#restore([...this.#changes.keys()].filter((setting) => !wanted.has(setting)));
    await this.#recordOriginals(wanted);
    const refused: string[] = [];
    for (const [setting, value] of wanted) {
      try {
        this.#write(setting, value);
      } catch (error) {
        refused.push(messageOf(error));
      }
    }
    if (refused.length > 0) throw new WgmeshError("ERR_SYSTEM", `forwarding: ${refused.join("; ")}`);
  }

  /** Puts back every value we changed, unless somebody has changed it again since. */
  async undo(): Promise<void> {
    await this.#restore([...this.#changes.keys()]);
  }

  /** Setting to value, in the order to write them. */
  #wantedSettings(networks: readonly Cidr[]): Map<string, string> {
    const v4 = networks.filter((network) => !network.includes(":"));
    const links = v4.length === 0 ? [] : [this.#options.interfaceName, ...this.#options.linksToward(v4)];
    const wanted = new Map(links.map((link) => [`ipv4/conf/${link}/forwarding`, "1"]));
    if (networks.length > v4.length) {
      for (const [setting, value] of this.#wantedForIpv6()) wanted.set(setting, value);
    }
    return wanted;
  }

  /**
   * Linux forwards IPv6 only when `all` says so, and writing `all` overwrites the value of every link: so those are listed
   * too, to be put back one by one. A forwarding link takes router advertisements only when accept_ra is 2, and without
   * them the host would lose its default route. Links that appear later follow `default` and `all`.
   */
  #wantedForIpv6(): [string, string][] {
    const before = [...this.#changes].filter(([setting]) => setting.startsWith("ipv6/"));
    if (before.length > 0) return before.map(([setting, { to }]) => [setting, to]);
    const { settings } = this.#options;
    const links = settings.links("ipv6");
    const acceptRa = links
      .map((link) => `ipv6/conf/${link}/accept_ra`)
      .filter((name) => settings.read(name) === "1");
    return [
      ...acceptRa.map((setting): [string, string] => [setting, "2"]),
      ...["default", ...links, "all"].map((link): [string, string] => [`ipv6/conf/${link}/forwarding`, "1"]),
    ];
  }

  /** Before any of them is written, so that a kill at any instant leaves a record that is complete. */
  async #recordOriginals(wanted: ReadonlyMap<string, string>): Promise<void> {
    const sizeBefore = this.#changes.size;
    for (const [setting, to] of wanted) {
      const from = this.#changes.has(setting) ? null : this.#options.settings.read(setting);
      if (from !== null) this.#changes.set(setting, { from, to });
    }
    if (this.#changes.size > sizeBefore) await this.#options.record.save(Object.fromEntries(this.#changes));
  }

  #write(setting: string, value: string): void {
    const { settings, log } = this.#options;
    const current = settings.read(setting);
    if (current === null || current === value) return;
    settings.write(setting, value);
    log.info({ setting, from: current, to: value }, "kernel setting changed");
  }

  /** Newest first: `all` of IPv6 goes back before the links, whose values it overwrites. */
  async #restore(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const { record } = this.#options;
    // Looked at before the first write, since writing `all` makes the others look as if somebody had changed them.
    const ours = names.filter((name) => this.#options.settings.read(name) === this.#changes.get(name)?.to);
    for (const setting of ours.reverse()) {
      try {
        this.#write(setting, this.#changes.get(setting)?.from ?? "");
      } catch (error) {
        this.#options.log.warn({ setting, reason: messageOf(error) }, "kernel setting not restored");
      }
    }
    for (const setting of names) this.#changes.delete(setting);
    if (this.#changes.size === 0) await record.remove();
    else await record.save(Object.fromEntries(this.#changes));
  }
}

/**
 * The links by which the host reaches the networks without the mesh: those whose routes overlap one of them. To a default network (what an
 * exit node forwards to) lead default routes alone.
 */
export function linksToward(
  networks: readonly Cidr[],
  routes: readonly { readonly destination: string; readonly linkName: string | null }[],
  interfaceName: string,
): string[] {
  const set = new NetworkSet(networks.filter((network) => !network.endsWith("/0")));
  const leads = (destination: string): boolean =>
    destination.endsWith("/0") ? networks.includes(destination as Cidr) : set.overlaps(destination);
  const links = routes
    .filter(({ destination, linkName }) => linkName !== interfaceName && leads(destination))
    .map(({ linkName }) => linkName)
    .filter((linkName) => linkName !== null);
  return [...new Set(links)];
}
