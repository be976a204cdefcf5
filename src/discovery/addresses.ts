/**
 * The part of discovery that knows where we are: STUN on the sockets that matter, and the keeper of the outcome.
 */
import type { NatReport } from "../core/netReport.ts";
import { isConnected } from "../peers/connected.ts";
import { type ExaminedSocket, examine } from "./netcheck/examine.ts";
import { OwnAddressKeeper } from "./ownAddress.ts";
import type { AdvertisedEndpoint } from "./ownAddressRules.ts";
import type { DiscoveryContext, LayerStatus, UnderlayEvent } from "./seams.ts";
import type { Resolver } from "./staticPeers.ts";
import type { DatagramSocket } from "./stun/client.ts";
import { type StunServer, StunServers } from "./stun/servers.ts";
import { StunLayer, type StunSocket } from "./stun/stunLayer.ts";

export interface AddressesOptions {
  readonly context: DiscoveryContext;
  /** The control socket. */
  readonly control: DatagramSocket;
  readonly gossipPort: number;
  /** None turns STUN off. */
  readonly stunServers: readonly StunServer[];
  readonly resolve: Resolver;
  readonly noIpv6: boolean;
  readonly advertised: AdvertisedEndpoint | null;
  /** True for links that discovery may use. */
  allows(linkName: string): boolean;
  /** The network is another one, but nothing we say of ourselves changed by it. */
  moved(): void;
  /** STUN servers answer again after none did. */
  back(): void;
}

const OFF: LayerStatus = { name: "stun", state: "off", detail: "--no-stun", lastError: null };

export class Addresses {
  readonly keeper: OwnAddressKeeper;
  readonly stun: StunLayer | null;
  readonly #options: AddressesOptions;
  readonly #unsubscribe: () => void;
  #network: string;
  /** No STUN server answered last. */
  #unheard = false;

  constructor(options: AddressesOptions) {
    this.#options = options;
    const { context, stunServers } = options;
    this.keeper = new OwnAddressKeeper({ ...options, ...context, stun: stunServers.length > 0 });
    this.stun = stunServers.length === 0 ? null : this.#makeStun();
    this.#network = this.#networkText();
    this.#unsubscribe = context.underlay.onChange((event) => this.#changed(event));
  }

  tasks(): { readonly name: string; readonly body: (signal: AbortSignal) => Promise<void> }[] {
    const { stun } = this;
    return stun === null ? [] : [{ name: "stun", body: (signal) => stun.run(signal) }];
  }

  /** Asks from the sockets of this node, and from one that is opened for it. */
  async examine(probe: DatagramSocket, signal: AbortSignal): Promise<NatReport> {
    const { context, control, gossipPort, resolve, stunServers } = this.#options;
    const { clock, self, wireguardPort } = context;
    const sockets: ExaminedSocket[] = [
      { name: "control", socket: control, port: gossipPort },
      { name: "probe", socket: probe, port: null },
    ];
    if (wireguardPort !== null) {
      sockets.push({ name: "wireguard", socket: wireguardPort, port: self.snapshot.wireguardPort });
    }
    const servers = new StunServers({ clock, resolve, servers: stunServers });
    const ownAddresses = this.keeper.interfaceAddresses;
    return await examine({ ...context, sockets, servers, ownAddresses, signal });
  }

  status(): LayerStatus {
    return this.stun?.status() ?? OFF;
  }

  close(): void {
    this.#unsubscribe();
    this.stun?.close();
    this.keeper.close();
  }

  #makeStun(): StunLayer {
    const { context, control, gossipPort, resolve, stunServers } = this.#options;
    const { clock, self, wireguardPort } = context;
    const sockets: StunSocket[] = [{ name: "control", socket: control, port: () => gossipPort }];
    if (wireguardPort !== null) {
      sockets.push({ name: "wireguard", socket: wireguardPort, port: () => self.snapshot.wireguardPort });
    }
    return new StunLayer({
      ...context,
      servers: new StunServers({ clock, resolve, servers: stunServers }),
      sockets,
      ownAddresses: () => this.keeper.interfaceAddresses,
      needed: () => this.#isMappingNeeded(),
      found: (findings) => {
        const isBack = this.#unheard && findings !== null;
        this.#unheard = findings === null;
        this.keeper.found(findings);
        if (isBack) this.#options.back();
      },
    });
  }

  /** Alone we may be looked for; and whoever is not connected directly may come through the mapping at any time. */
  #isMappingNeeded(): boolean {
    const { clock, paths, store } = this.#options.context;
    const active = store.list().filter((peer) => store.isActive(peer));
    const settled = active.filter(
      ({ publicKey, lastHandshakeMs }) =>
        isConnected(lastHandshakeMs, clock.wallMs()) && paths.get(publicKey).kind === "direct",
    );
    return active.length === 0 || settled.length < active.length;
  }

  /** In another network what was said of our address is void; a new word comes with the answers to our HELLOs. */
  #changed(event: UnderlayEvent): void {
    const { context, moved } = this.#options;
    const before = this.#network;
    this.#network = this.#networkText();
    if (event === "changed" && this.#network === before) {
      this.keeper.refresh();
      return;
    }
    const said = context.self.snapshot;
    if (this.#network === before) this.keeper.refresh();
    else this.keeper.networkChanged();
    this.stun?.networkChanged();
    if (context.self.snapshot === said) moved();
  }

  /** What changes when the host moves to another network. */
  #networkText(): string {
    const { allows, context } = this.#options;
    const links = context.underlay.suitableLinks().map(({ index, ipv4 }) => `${index} ${ipv4.join(" ")}`);
    const addresses = context.underlay.addresses().filter(({ linkName }) => allows(linkName));
    return [...links, ...addresses.map(({ address }) => address)].join("\n");
  }
}
