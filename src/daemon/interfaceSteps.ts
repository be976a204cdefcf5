/**
 * How the interface is made (the middle of row C1): one list of steps, for the start of a node and for an interface that
 * was lost while it runs.
 */
import { DEFAULT_LISTEN_PORT } from "../config/options.ts";
import { sleep } from "../core/clock.ts";
import { WgmeshError } from "../core/errors.ts";
import { type Cidr, type IpAddress, parseIp } from "../core/types.ts";
import type { InterfaceAddress } from "../mesh/interfaceDifference.ts";
import type { AddressDerivation } from "../peers/addresses.ts";
import { nonceOf } from "../peers/derivedAddresses.ts";
import { ReplaceableBackend } from "../wireguard/replaceableBackend.ts";
import type { Handover } from "./handover.ts";
import { requireListenAddresses } from "./listenAddress.ts";
import { chooseMeshAddresses, interfaceCidr, type MeshAddressChoice } from "./meshAddresses.ts";
import type { Identity, NodeParts } from "./parts.ts";
import { configurePort, tryPort } from "./ports.ts";

/** The kernel tells that a link is gone before it gives the link's port back. */
const PORT_WAIT_MS = 50;
/** After that another program has the port. */
const PORT_WAITS = 20;

export interface InterfaceStep {
  readonly name: "interface" | "reset" | "port" | "addresses" | "up";
  run(): Promise<void> | void;
}

export class InterfaceSteps {
  /** What the interface is used through: the same for the whole life of the node. */
  readonly backend: ReplaceableBackend;

  /** In their order. Each may be run again, as long as those before it were. */
  readonly all: readonly InterfaceStep[] = [
    { name: "interface", run: () => this.#open() },
    // A new one too: an engine may start with what the last owner of the name left in the kernel.
    { name: "reset", run: () => this.#reset() },
    { name: "port", run: () => this.#configure() },
    { name: "addresses", run: () => this.#setAddresses() },
    { name: "up", run: () => this.#setUp() },
  ];

  readonly #parts: NodeParts;
  readonly #identity: Identity;
  /** Given up once the interface is lost: a new one has nothing of it. */
  #left: Pick<Handover, "listenPort"> | null;
  /** Those of the first time stay. */
  #port: number | null = null;
  #choice: MeshAddressChoice | null = null;
  #more: readonly InterfaceAddress[] = [];

  /** @param left what a daemon left that also left its interface; null takes nothing over. */
  constructor(parts: NodeParts, identity: Identity, left: Pick<Handover, "listenPort"> | null = null) {
    this.#parts = parts;
    this.#identity = identity;
    this.#left = left;
    this.backend = new ReplaceableBackend(parts.options.interfaceName);
  }

  /** After the step `addresses`. */
  get choice(): MeshAddressChoice {
    if (this.#choice === null) throw new TypeError("the mesh addresses are not chosen yet");
    return this.#choice;
  }

  /** The addresses the interface has, after the step `addresses`. */
  addresses(): readonly InterfaceAddress[] {
    const chosen = this.addressesOf(this.choice, this.#parts.addresses);
    const more = this.#more.filter(({ address }) => chosen.every((one) => one.address !== address));
    return [...chosen, ...more];
  }

  /** What it has beside the chosen ones, while the mesh moves to a new secret. */
  setMore(addresses: readonly InterfaceAddress[]): void {
    this.#more = addresses;
  }

  /** What an interface that is made anew begins with. */
  setChoice(choice: MeshAddressChoice): void {
    this.#choice = choice;
  }

  /** The addresses with the prefix lengths of their networks. */
  addressesOf(
    { meshIp, meshIpv6 }: Pick<MeshAddressChoice, "meshIp" | "meshIpv6">,
    { meshSubnet, meshIpv6Prefix }: AddressDerivation,
  ): InterfaceAddress[] {
    const withPrefix = (address: IpAddress, network: Cidr): InterfaceAddress => ({
      address,
      prefixLength: Number(network.slice(network.indexOf("/") + 1)),
    });
    const ipv4 = withPrefix(meshIp, meshSubnet);
    return meshIpv6 === null ? [ipv4] : [ipv4, withPrefix(meshIpv6, meshIpv6Prefix)];
  }

  /**
   * Gives the interface other addresses in place of those it has, one at a time: where two were of one network, the kernel would take
   * away the second with the first. Throws what the system says; a later {@link again}, or a look of the reconciler, sets them then.
   */
  readdress(next: Pick<MeshAddressChoice, "meshIp" | "meshIpv6">): void {
    const before = this.addresses();
    this.#choice = { ...this.choice, ...next };
    const control = this.#parts.system.interfaceControl(this.#parts.options.interfaceName);
    const after = this.addresses();
    const isIn = (list: readonly InterfaceAddress[], { address }: InterfaceAddress): boolean =>
      list.some((one) => one.address === address);
    for (const address of before) if (!isIn(after, address)) control.removeAddress(address);
    for (const address of after) if (!isIn(before, address)) control.addAddress(address);
  }

  /**
   * Makes the interface again, with the key, port and addresses it had; another port only when a program took that one
   * meanwhile. Rejects with what a step threw; there is no interface then.
   */
  async again(): Promise<void> {
    this.#left = null;
    try {
      for (const { run } of this.all) await run();
    } catch (error) {
      this.backend.discard();
      throw error;
    }
  }

  async #open(): Promise<void> {
    const { backend } = this;
    // Later a link may be without it for a moment.
    if (this.#port === null) requireListenAddresses(this.#parts.options, this.#parts.system.host);
    await backend.open(() => this.#parts.openBackend());
    const { name, interfaceName, interfaceIndex, adopted } = backend;
    this.#parts.log.info({ backend: name, interfaceName, interfaceIndex, adopted }, "interface opened");
  }

  async #reset(): Promise<void> {
    const { backend } = this;
    const stands =
      this.#left !== null && backend.adopted && (await backend.read()).publicKey === this.#identity.publicKey;
    if (!stands) {
      this.#left = null;
      await backend.reset();
      return;
    }
    this.#parts.log.info({ interfaceName: backend.interfaceName }, "interface taken over as it is");
  }

  async #configure(): Promise<void> {
    this.#port = this.#port === null ? this.#nextPort(0) : await this.#samePort(this.#port);
  }

  #nextPort(after: number): number {
    const { options, mesh, log } = this.#parts;
    // The port it has may be one that was taken in place of the wished one.
    const sameWish = this.#left !== null && this.#left.listenPort === options.listenPort;
    const wish = {
      chosenPort: sameWish ? null : options.listenPort,
      defaultPort: DEFAULT_LISTEN_PORT,
      gossipPort: mesh.gossipPort,
    };
    return configurePort(this.backend, wish, log, after);
  }

  async #samePort(port: number): Promise<number> {
    for (let waits = 0; waits < PORT_WAITS; waits += 1) {
      if (tryPort(this.backend, port)) return port;
      await sleep(this.#parts.clock, PORT_WAIT_MS);
    }
    return this.#nextPort(port);
  }

  #setAddresses(): void {
    const { options, addresses, system } = this.#parts;
    this.#choice ??= this.#chooseAddresses();
    const { meshIp, meshIpv6 } = this.#choice;
    this.#removeLeftAddresses();
    system.addAddress(options.interfaceName, interfaceCidr(meshIp, addresses.meshSubnet));
    if (meshIpv6 !== null) {
      system.addAddress(options.interfaceName, interfaceCidr(meshIpv6, addresses.meshIpv6Prefix));
    }
    this.#parts.log.info({ meshIp, meshIpv6 }, "mesh addresses set");
  }

  /** A daemon that was killed while it moved has left its old address on an interface that outlived it. */
  #removeLeftAddresses(): void {
    const { addresses, options, system } = this.#parts;
    if (!this.backend.adopted) return;
    const control = system.interfaceControl(options.interfaceName);
    const ours = this.addresses().map(({ address }) => address);
    for (const left of control.addresses()) {
      const address = parseIp(left.address);
      if (address === null || ours.includes(address)) continue;
      if (nonceOf(addresses, this.#identity.publicKey, address) !== null) control.removeAddress(left);
    }
  }

  #chooseAddresses(): MeshAddressChoice {
    const { options, addresses, log } = this.#parts;
    const choice = chooseMeshAddresses({
      publicKey: this.#identity.publicKey,
      pinned: this.#identity,
      derivation: addresses,
      ipv6: options.ipv6 && this.#hostHasIpv6(),
    });
    for (const { from, to } of choice.replaced) {
      log.warn({ from, to }, "mesh address changed: the stored one lies outside the mesh's network");
    }
    return choice;
  }

  /** The kernel refuses IPv6 addresses where IPv6 was left out or switched off; the mesh works over IPv4 alone then. */
  #hostHasIpv6(): boolean {
    const { options, system, log } = this.#parts;
    const disabled = system.networkSettings.read(`ipv6/conf/${options.interfaceName}/disable_ipv6`);
    if (disabled === "0") return true;
    log.warn(
      { interfaceName: options.interfaceName },
      "no mesh IPv6 address: IPv6 is switched off on this host",
    );
    return false;
  }

  /** The port can be lost between its check and the socket of the interface, which is bound only now. */
  #setUp(): void {
    for (;;) {
      try {
        this.backend.up();
        return;
      } catch (error) {
        if (!(error instanceof WgmeshError && error.code === "ERR_NO_PORT")) throw error;
      }
      this.#port = this.#nextPort(this.#port ?? 0);
    }
  }
}
