/**
 * Our own mesh addresses while the node runs (row E5): another node may claim one, and one of the two must move. The rule is
 * peers/collision.ts; here is what it takes to move: state file, interface, what we say of ourselves, and the operator's notice.
 */
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Events } from "../core/events.ts";
import type { Log } from "../core/log.ts";
import { Pacemaker } from "../core/pacemaker.ts";
import type { Troubles } from "../core/troubles.ts";
import type { IpAddress, PublicKey } from "../core/types.ts";
import type { AddressDerivation } from "../peers/addresses.ts";
import {
  type Claimant,
  keepsAddress,
  nextAddress,
  type Rival,
  type Settling,
  type SettlingEvent,
  settle,
  settlesAtMs,
  UNSETTLED,
} from "../peers/collision.ts";
import { isConnected } from "../peers/connected.ts";
import { nonceOf } from "../peers/derivedAddresses.ts";
import type { LocalNode } from "../peers/localNode.ts";
import type { PeerStore } from "../peers/store.ts";
import type { InterfaceSteps } from "./interfaceSteps.ts";
import type { Identity, NodeParts } from "./parts.ts";

/** How long `status` says that the address moved: whoever wrote it down somewhere is to see it. */
const NOTICE_MS = 3_600_000;

export interface OwnAddresses {
  readonly meshIp: IpAddress;
  readonly meshIpv6: IpAddress | null;
}

export interface AddressKeeperOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly events: Events;
  readonly troubles: Troubles;
  readonly self: LocalNode;
  readonly derivation: AddressDerivation;
  /** `--strict-addresses` */
  readonly strict: boolean;
  /** Writes the state file. */
  save(addresses: OwnAddresses): void;
  /** Gives the interface these addresses in place of those it has. */
  readdress(addresses: OwnAddresses): void;
}

export class AddressKeeper {
  readonly #options: AddressKeeperOptions;
  readonly #pacemaker: Pacemaker;
  #store: PeerStore | null = null;
  #settling: Settling = UNSETTLED;
  #noticeUntilMs: number | null = null;
  /** Of another implementation, with an address of ours. */
  #staying: PublicKey | null = null;

  constructor(options: AddressKeeperOptions) {
    this.#options = options;
    this.#pacemaker = new Pacemaker(options.clock, {
      nextAtMs: () => {
        const times = [settlesAtMs(this.#settling), this.#noticeUntilMs].filter((atMs) => atMs !== null);
        return times.length === 0 ? null : Math.min(...times);
      },
      act: (nowMs) => {
        this.#feed({ type: "time" });
        if (this.#noticeUntilMs === null || nowMs < this.#noticeUntilMs) return;
        this.#noticeUntilMs = null;
        this.#options.troubles.clear("mesh-address");
      },
    });
  }

  /** Follows the tunnels of the peers, which make this node a settled one; for the life of the store. */
  follow(store: PeerStore): void {
    this.#store = store;
    const { clock } = this.#options;
    store.subscribe((event) => {
      if (
        event.peer.publicKey === this.#staying &&
        (event.type === "removed" || event.peer.meshIp !== null)
      ) {
        this.#staying = null;
        this.#options.troubles.clear("rival-address");
      }
      // The store tells of handshakes only when a tunnel begins or ceases to work.
      if (event.type === "added" || (event.type === "updated" && !event.changed.has("lastHandshakeMs")))
        return;
      const nowMs = clock.wallMs();
      this.#feed({
        type: "tunnels",
        up: store.list().some(({ lastHandshakeMs }) => isConnected(lastHandshakeMs, nowMs)),
      });
    });
  }

  /** The body of the task `own-addresses`. */
  run(signal: AbortSignal): Promise<void> {
    return this.#pacemaker.run(signal);
  }

  /** Another node says that an address of ours is its own. When this returns the address is ours, or we have moved. Never throws. */
  contested(rival: Rival): void {
    const { self, derivation } = this.#options;
    const { family, address } = rival;
    const { publicKey, settled = false } = self.snapshot;
    const isOurs = rival.proven === true && (rival.instance ?? "") !== "";
    const us: Claimant = {
      ...{ publicKey, settled },
      ours: true,
      derived: nonceOf(derivation, publicKey, address) !== null,
    };
    const other: Claimant = {
      publicKey: rival.publicKey,
      ours: isOurs,
      settled: rival.settled === true,
      derived: nonceOf(derivation, rival.publicKey, address) !== null,
    };
    const keeps = keepsAddress(us, other);
    this.#feed({ type: "contested" });
    this.#options.log.debug({ peer: rival.publicKey, meshIp: address, keeps }, "mesh address contested");
    if (!keeps) this.#move(rival, family, address);
    else if (!isOurs && family === "ipv4") this.#tellStaying(rival);
  }

  /**
   * The Go peer never looks at its own address (weak point 26), so one that loses it stays there, and only an operator can help. Members
   * can invent claims: only one with a tunnel is worth a notice.
   */
  #tellStaying({ publicKey, address }: Rival): void {
    const { clock, troubles } = this.#options;
    const peer = this.#store?.get(publicKey);
    if (peer === undefined || (peer.instance !== "" && peer.proven)) return;
    if (this.#staying === publicKey || !isConnected(peer.lastHandshakeMs, clock.wallMs())) return;
    this.#staying = publicKey;
    troubles.raise(
      "rival-address",
      `peer ${publicKey} has the mesh address ${address} of this node too, which by the lower key is this node's, and its implementation does not move: from here it is reached by IPv6 alone; give it another key, without its state file`,
    );
  }

  #move(rival: Rival, family: "ipv4" | "ipv6", from: IpAddress): void {
    const { clock, log, events, troubles, self, derivation, strict } = this.#options;
    const { publicKey, meshIp, meshIpv6 } = self.snapshot;
    const to = nextAddress({
      ...{ publicKey, family, derivation, strict },
      isTaken: (address) => address === from || this.#store?.holderOf(address) !== undefined,
    });
    if (to === null) {
      const text = `mesh address ${from} belongs to peer ${rival.publicKey}, and the mesh network has no free one for this node`;
      troubles.raise("mesh-address", text);
      return;
    }
    const addresses = family === "ipv4" ? { meshIp: to, meshIpv6 } : { meshIp, meshIpv6: to };
    this.#attempt("state file not written", () => this.#options.save(addresses));
    this.#attempt("interface not readdressed", () => this.#options.readdress(addresses));
    this.#settling = settle(this.#settling, { type: "moved" }, clock.monotonicMs());
    log.warn({ from, to, peer: rival.publicKey }, "mesh address moved: another node has it");
    // Others are told at once by whoever follows the local node.
    self.update({ ...addresses, settled: false });
    events.emit("address.moved", { peer: rival.publicKey, data: { from, to } });
    troubles.clear("mesh-address");
    troubles.raise(
      "mesh-address",
      `the mesh address of this node moved from ${from} to ${to}: peer ${rival.publicKey} has the old one`,
    );
    this.#noticeUntilMs = clock.monotonicMs() + NOTICE_MS;
    this.#pacemaker.wake();
  }

  #attempt(what: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#options.log.error({ reason: messageOf(error) }, what);
    }
  }

  #feed(event: SettlingEvent): void {
    const before = this.#settling;
    this.#settling = settle(before, event, this.#options.clock.monotonicMs());
    if (this.#settling === before) return;
    if (this.#settling.settled !== before.settled)
      this.#options.self.update({ settled: this.#settling.settled });
    this.#pacemaker.wake();
  }
}

export function addressKeeperOf(
  { addresses, clock, events, log, options, troubles }: NodeParts,
  identity: Identity,
  made: InterfaceSteps,
  self: LocalNode,
): AddressKeeper {
  return new AddressKeeper({
    ...{ clock, events, troubles, self, derivation: addresses, strict: options.strictAddresses },
    log: log.child({ module: "mesh" }),
    save: ({ meshIp, meshIpv6 }) => identity.save(meshIp, meshIpv6),
    readdress: (next) => made.readdress(next),
  });
}
