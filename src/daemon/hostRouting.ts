/**
 * What a node changes on its host for the sake of routes: the kernel's forwarding, the way to the Internet through an exit node, and what
 * being one takes. One object, so that the end of a node, and the start after a crash, undo all of it.
 */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { DaemonOptions } from "../config/options.ts";
import { messageOf } from "../core/errors.ts";
import { writeFileAtomic } from "../core/files.ts";
import type { Cidr, IpAddress, PublicKey } from "../core/types.ts";
import { ExitChoice } from "../mesh/exitChoice.ts";
import { ExitOffer, type OfferRecord } from "../mesh/exitOffer.ts";
import { ExitRoutes, type ExitWish } from "../mesh/exitRoutes.ts";
import { Forwarding, linksToward } from "../mesh/forwarding.ts";
import type { HealthTable } from "../mesh/health/table.ts";
import { type RouteSources, routeSources } from "../mesh/routeSources.ts";
import type { LocalNodeSnapshot } from "../peers/localNode.ts";
import type { Peer } from "../peers/peer.ts";
import { forwardingRecord } from "./forwardingRecord.ts";
import type { NodeParts } from "./parts.ts";
import type { System } from "./system.ts";

/** What it needs of a node. */
export interface RoutingParts extends Pick<NodeParts, "clock" | "log" | "troubles"> {
  readonly options: Pick<DaemonOptions, "interfaceName" | "runDir" | "exitNode" | "exitNodeOnly">;
  readonly system: Pick<System, "networkSettings" | "routes" | "exits">;
}

/** What an exit node forwards to, and what its users send it. */
const EVERYTHING = ["0.0.0.0/0", "::/0"] as Cidr[];

/** The way to the Internet through a member, as an operator is told of it. */
export interface ExitStatus {
  /** As it was asked for: a name, an address or the beginning of a key. */
  readonly wanted: string;
  /** Whom it leads through now; null while it waits. */
  readonly publicKey: PublicKey | null;
  /** Why it waits, what follows "exit node X"; null while it does not. */
  readonly reason: string | null;
  /** Nothing leaves by another way. */
  readonly only: boolean;
}

const USE_TROUBLE = "exit-node";
const OFFER_TROUBLE = "exit-node-offer";

export class HostRouting {
  readonly #parts: RoutingParts;
  readonly #meshNetworks: readonly Cidr[];
  readonly #forwarding: Forwarding;
  readonly #routes: ExitRoutes | null;
  readonly #offer: ExitOffer | null;
  readonly #choice: ExitChoice;
  readonly #health: Pick<HealthTable, "stateOf">;
  #chosen: PublicKey | null = null;
  #reason: string | null = null;
  #only: boolean;

  constructor(parts: RoutingParts, meshNetworks: readonly Cidr[], health: Pick<HealthTable, "stateOf">) {
    const { options, system, log } = parts;
    const { interfaceName, runDir } = options;
    this.#parts = parts;
    this.#meshNetworks = meshNetworks;
    this.#forwarding = new Forwarding({
      interfaceName,
      settings: system.networkSettings,
      record: forwardingRecord(join(runDir, `${interfaceName}.forwarding.json`)),
      log: log.child({ module: "mesh" }),
      linksToward: (networks) => linksToward(networks, system.routes(), interfaceName),
    });
    const { exits } = system;
    const record = offerRecord(join(runDir, `${interfaceName}.masquerade`));
    this.#routes = exits === undefined ? null : new ExitRoutes(exits.tables, interfaceName);
    this.#offer = exits === undefined ? null : new ExitOffer(interfaceName, exits.masquerade, record);
    this.#choice = new ExitChoice(options.exitNode);
    this.#health = health;
    this.#only = options.exitNodeOnly;
  }

  /**
   * Undoes what a run that was killed left behind; what keeps the Internet shut stays, if this run wants the same. Resolves to whether
   * there was anything.
   */
  async recover(): Promise<boolean> {
    const rules = this.#isShut() ? 0 : (this.#routes?.undo() ?? 0);
    if (rules > 0) this.#parts.log.info({ changes: rules }, "exit node of an earlier run undone");
    const masqueraded = (await this.#offer?.undo()) ?? false;
    const forwarded = await this.#forwarding.recover();
    return rules > 0 || masqueraded || forwarded;
  }

  /** Goes on with what the daemon before this one made and left to it. */
  async resume(): Promise<void> {
    await this.#forwarding.resume();
  }

  /** Who `--exit-node` means from the next cycle of the reconciler on, and whether there is another way. */
  setExitNode(wanted: string | null, only: boolean): void {
    this.#choice.want(wanted);
    this.#only = only;
  }

  /** Whether the Internet is reached through this node: it forwards itself, or uses an exit node, which may wait now. */
  isWayOut({ exitNode = false }: LocalNodeSnapshot): boolean {
    return exitNode || (this.#routes !== null && this.#choice.wanted !== null);
  }

  /** Null when none is asked for. */
  exitStatus(): ExitStatus | null {
    const { wanted } = this.#choice;
    if (wanted === null) return null;
    return { wanted, publicKey: this.#chosen, reason: this.#reason, only: this.#only };
  }

  /** Whose the way to the Internet is now. */
  readonly exitPeer = (peers: readonly Peer[], own: LocalNodeSnapshot): PublicKey | null => {
    const { troubles, clock, log } = this.#parts;
    const { wanted } = this.#choice;
    const isLost = (key: PublicKey): boolean => this.#health.stateOf(key) === "reconnecting";
    let { publicKey, reason } = this.#choice.choose(peers, clock.wallMs(), isLost);
    if (wanted !== null && this.#routes === null) {
      publicKey = null;
      reason = "has no effect on this system";
    } else if (wanted !== null && own.exitNode) {
      // Two that use each other would send packets in circles.
      publicKey = null;
      reason = "has no effect on a node that is one itself (--advertise-exit-node)";
    }
    if (reason === null) troubles.clear(USE_TROUBLE);
    else troubles.raise(USE_TROUBLE, `exit node ${wanted} ${reason}: ${this.#meanwhile()}`);
    this.#reason = reason;
    if (publicKey !== this.#chosen)
      log.info({ peer: publicKey }, publicKey === null ? "no exit node" : "exit node");
    this.#chosen = publicKey;
    return publicKey;
  };

  /** Settings are kept of which no event tells. */
  keeps(own: LocalNodeSnapshot): boolean {
    return own.exitNode === true || this.#choice.wanted !== null;
  }

  /**
   * Makes the host fit what this node is.
   *
   * @param inside networks behind members, and of this node's clients: who comes from there leaves with this host's address, too.
   * @param addresses of the host, on the network below the tunnel.
   * @param meshAddresses those of the interface, the present ones first.
   *
   * Throws what could not be done; the rest is done all the same.
   */
  async ensure(
    own: LocalNodeSnapshot,
    inside: readonly Cidr[],
    addresses: () => readonly { readonly address: string }[],
    meshAddresses: readonly { readonly address: string }[],
  ): Promise<void> {
    const ipv6 = own.meshIpv6 !== null;
    try {
      this.#routes?.sync(this.#wish(own, addresses, routeSources(meshAddresses)));
    } finally {
      await this.#offerExit(own, inside);
      const everything = own.exitNode ? EVERYTHING.filter((network) => ipv6 || !network.includes(":")) : [];
      await this.#forwarding.ensure([...own.networks, ...everything]);
    }
  }

  /** All of it; what comes later also when something before it fails. */
  async undo(): Promise<void> {
    try {
      this.#routes?.undo();
    } finally {
      try {
        await this.#offer?.undo();
      } finally {
        await this.#forwarding.undo();
      }
    }
  }

  #isShut(): boolean {
    return this.#only && this.#choice.wanted !== null;
  }

  #meanwhile(): string {
    return this.#isShut() && this.#routes !== null
      ? "nothing goes to the Internet (--exit-node-only)"
      : "what goes to the Internet leaves as without one";
  }

  #wish(
    own: LocalNodeSnapshot,
    addresses: () => readonly { readonly address: string }[],
    sources: RouteSources,
  ): ExitWish | null {
    const through = this.#chosen !== null;
    if (!through && !this.#isShut()) return null;
    return {
      wireguardPort: own.wireguardPort,
      addresses: addresses().map(({ address }) => address as IpAddress),
      ipv6: own.meshIpv6 !== null,
      ...{ sources, through, only: this.#isShut() },
    };
  }

  async #offerExit(own: LocalNodeSnapshot, inside: readonly Cidr[]): Promise<void> {
    const { troubles, options } = this.#parts;
    try {
      const sources = [...this.#meshNetworks, ...inside];
      if (own.exitNode) await this.#offer?.ensure(sources, own.networks);
      else await this.#offer?.undo();
      if (this.#offer !== null || !own.exitNode) troubles.clear(OFFER_TROUBLE);
      else troubles.raise(OFFER_TROUBLE, masqueradeByHand(this.#meshNetworks, options.interfaceName));
    } catch (error) {
      const reason = messageOf(error);
      troubles.raise(
        OFFER_TROUBLE,
        `${reason}; ${masqueradeByHand(this.#meshNetworks, options.interfaceName)}`,
      );
    }
  }
}

const masqueradeByHand = ([network]: readonly Cidr[], interfaceName: string): string =>
  `the exit node needs masquerading by hand, such as: iptables -t nat -A POSTROUTING -s ${network} ! -o ${interfaceName} -j MASQUERADE`;

function offerRecord(path: string): OfferRecord {
  return {
    exists: () => existsSync(path),
    make: () => writeFileAtomic(path, "", 0o600),
    remove: () => rm(path, { force: true }),
  };
}
