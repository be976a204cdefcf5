/**
 * A small Internet in network namespaces: a core, places of every kind (kinds.ts), servers. Addresses are those kept for
 * documentation; nothing leads out. All of it belongs to a `Lab` and goes with it.
 */
import { type Host, Lab } from "../harness/lab.ts";
import type { MeshNode } from "../harness/node.ts";
import { Core } from "./core.ts";
import type { KindName } from "./kinds.ts";
import { dhtPort, startDhtNodes, startStunServer, stunPort } from "./servers.ts";
import { Site, type SiteOptions } from "./site.ts";
import { verifyKind } from "./verify.ts";

export interface Servers {
  /** Addresses of the STUN servers: two each, of which the first answers as the server itself. */
  readonly stun: readonly (readonly [string, string])[];
  readonly dht: readonly string[];
}

export class Internet {
  readonly lab: Lab;
  readonly core: Core;
  readonly sites: Site[] = [];
  #servers: Servers | null = null;
  #outside: Host | null = null;

  constructor(lab = new Lab()) {
    this.lab = lab;
    this.core = new Core(lab);
  }

  /** Starts two STUN servers and DHT nodes; resolves when these have found each other. */
  async startServers({ dhtNodes = 6 } = {}): Promise<Servers> {
    const stun = ["stun1", "stun2"].map(
      (name) => startStunServer(this.lab, this.core, name) as [string, string],
    );
    const dht = await startDhtNodes(this.lab, this.core, "dht", dhtNodes);
    this.#servers = { stun, dht };
    return this.#servers;
  }

  get servers(): Servers {
    if (this.#servers === null) throw new Error("call startServers first");
    return this.#servers;
  }

  /** Flags of a daemon that uses the servers, and finds nobody by multicast. */
  get discoveryFlags(): readonly string[] {
    const { stun, dht } = this.servers;
    return [
      "--no-lan-discovery",
      ...dht.slice(0, 3).flatMap((address) => ["--dht-bootstrap", `${address}:${dhtPort}`]),
      ...stun.flatMap(([address]) => ["--stun-server", `${address}:${stunPort}`]),
    ];
  }

  addSite(name: string, kind: KindName, options: SiteOptions = {}): Site {
    const site = new Site(this.lab, this.core, name, kind, options);
    this.sites.push(site);
    return site;
  }

  /** A node at a place of its own, which uses the servers but for the DHT: it finds whom `flags` name. */
  addNode(name: string, kind: KindName, ...flags: string[]): { site: Site; node: MeshNode } {
    const site = this.addSite(name, kind);
    const all = [...this.discoveryFlags, "--no-dht", ...flags];
    return { site, node: this.lab.addNode(name, { flags: all }, site.addHost(name)) };
  }

  /** A public host that is nobody's. */
  outsideHost(): Host {
    this.#outside ??= this.addSite("outside", "O").addHost("outside");
    return this.#outside;
  }

  /** Throws unless a STUN client on the site's first host, asking from inside, finds the site's kind. */
  verify(site: Site): Promise<void> {
    return verifyKind(this, site);
  }

  /** Verifies all sites at once, or those of some hosts. */
  async verifyAll(only: readonly Host[] | null = null): Promise<void> {
    const wanted = this.sites.filter(({ hosts }) =>
      hosts.some((host) => only === null || only.includes(host)),
    );
    await Promise.all(wanted.map((site) => this.verify(site)));
  }

  dispose(): void {
    this.lab.dispose();
  }
}
