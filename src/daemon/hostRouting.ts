/**
 * What a node changes on its host for the sake of routes: the kernel's forwarding, the way to the Internet through an exit node, and what
 * being one takes. One object, so that the end of a node, and the start after a crash, undo all of it.
 */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../core/errors.ts";
import { writeFileAtomic } from "../core/files.ts";
import type { Cidr, IpAddress, PublicKey } from "../core/types.ts";
import { ExitChoice } from "../mesh/exitChoice.ts";
import { ExitOffer, type OfferRecord } from "../mesh/exitOffer.ts";
import { ExitRoutes } from "../mesh/exitRoutes.ts";
import { Forwarding, linksToward } from "../mesh/forwarding.ts";
import type { LocalNodeSnapshot } from "../peers/localNode.ts";
import type { Peer } from "../peers/peer.ts";
import { forwardingRecord } from "./forwardingRecord.ts";
import type { NodeParts } from "./parts.ts";

/** What an exit node forwards to, and what its users send it. */
const EVERYTHING = ["0.0.0.0/0", "::/0"] as Cidr[];

const USE_TROUBLE = "exit-node";
const OFFER_TROUBLE = "exit-node-offer";

export class HostRouting {
  readonly #parts: NodeParts;
  readonly #meshNetworks: readonly Cidr[];
  readonly #forwarding: Forwarding;
  readonly #routes: ExitRoutes | null;
  readonly #offer: ExitOffer | null;
  readonly #choice: ExitChoice;
  #chosen: PublicKey | null = null;

  constructor(parts: NodeParts, meshNetworks: readonly Cidr[]) {
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
  }

  /** Undoes what a run that was killed left behind. */
  async recover(): Promise<void> {
    const rules = this.#routes?.undo() ?? 0;
    if (rules > 0) this.#parts.log.info({ changes: rules }, "exit node of an earlier run undone");
    await this.#offer?.undo();
    await this.#forwarding.recover();
  }

  /** Goes on with what the daemon before this one made and left to it. */
  async resume(): Promise<void> {
    await this.#forwarding.resume();
  }

  /** Who `--exit-node` means from the next cycle of the reconciler on. */
  setExitNode(wanted: string | null): void {
    this.#choice.want(wanted);
  }

  /** Whose the way to the Internet is now. */
  readonly exitPeer = (peers: readonly Peer[], own: LocalNodeSnapshot): PublicKey | null => {
    const { troubles, clock, log } = this.#parts;
    let { publicKey, reason } = this.#choice.choose(peers, clock.wallMs());
    if (this.#choice.wanted !== null && this.#routes === null) {
      publicKey = null;
      reason = "--exit-node has no effect on this system";
    } else if (this.#choice.wanted !== null && own.exitNode) {
      // Two that use each other would send packets in circles.
      publicKey = null;
      reason = "--exit-node has no effect on a node that is one itself (--advertise-exit-node)";
    }
    if (reason === null) troubles.clear(USE_TROUBLE);
    else troubles.raise(USE_TROUBLE, reason);
    if (publicKey !== this.#chosen)
      log.info({ peer: publicKey }, publicKey === null ? "no exit node" : "exit node");
    this.#chosen = publicKey;
    return publicKey;
  };

  /** Settings are kept of which no event tells. */
  keeps(own: LocalNodeSnapshot): boolean {
    return own.exitNode === true || this.#choice.wanted !== null;
  }

  /** Makes the host fit what this node is. Throws what could not be done; the rest is done all the same. */
  async ensure(
    own: LocalNodeSnapshot,
    addresses: () => readonly { readonly address: string }[],
  ): Promise<void> {
    const ipv6 = own.meshIpv6 !== null;
    try {
      this.#routes?.sync(
        this.#chosen === null
          ? null
          : {
              wireguardPort: own.wireguardPort,
              addresses: addresses().map(({ address }) => address as IpAddress),
              ipv6,
            },
      );
    } finally {
      await this.#offerExit(own);
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

  async #offerExit(own: LocalNodeSnapshot): Promise<void> {
    const { troubles, options } = this.#parts;
    try {
      if (own.exitNode) await this.#offer?.ensure(this.#meshNetworks, own.networks);
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
