import { sleep } from "../core/clock.ts";
import type { NatReport } from "../core/netReport.ts";
import type { Endpoint } from "../core/types.ts";
import { Addresses } from "./addresses.ts";
import { Announcer } from "./announcer.ts";
import { ControlSocket } from "./controlSocket.ts";
import { Counters } from "./counters.ts";
import { DhtLayer } from "./dht/layer.ts";
import { resolveAll, resolveByDns } from "./dnsResolver.ts";
import { Exchange } from "./exchange.ts";
import { farewellsOf } from "./farewell.ts";
import { GoodbyeJudge } from "./goodbyeJudge.ts";
import { Gossip } from "./gossip.ts";
import { Inbound } from "./inbound.ts";
import { Lan } from "./lan.ts";
import { withMeshSockets } from "./listenSockets.ts";
import { LostPeers } from "./lostPeers.ts";
import type { MeshDiscoveryOptions } from "./meshDiscoveryOptions.ts";
import { bindNodeUdp } from "./nodeUdp.ts";
import { PortGreetings } from "./portGreetings.ts";
import { Registry } from "./registry/registry.ts";
import { openRelayLayer, type RelayLayer, relayStatus } from "./relay/relayLayer.ts";
import { Rendezvous } from "./rendezvous/rendezvous.ts";
import type { Discovery, DiscoveryContext, DiscoveryTuning, LayerStatus, StaticPeer } from "./seams.ts";
import { onSelfNews } from "./selfNews.ts";
import type { SpreadLayer } from "./spreading.ts";
import { StaticPeers } from "./staticPeers.ts";

export type { MeshDiscoveryOptions } from "./meshDiscoveryOptions.ts";

/** A GOODBYE is sent twice, since nobody acknowledges it. */
const GOODBYE_AGAIN_MS = 60;

interface Running {
  readonly context: DiscoveryContext;
  readonly socket: ControlSocket;
  readonly inbound: Inbound;
  readonly announcer: Announcer;
  readonly exchange: Exchange;
  readonly gossip: Gossip;
  readonly registry: Registry | null;
  readonly lan: Lan | null;
  readonly statics: StaticPeers;
  readonly dht: DhtLayer | null;
  readonly addresses: Addresses;
  readonly rendezvous: Rendezvous | null;
  readonly relay: RelayLayer | null;
  readonly spread: SpreadLayer | null;
  readonly abort: AbortController;
  readonly unsubscribes: readonly (() => void)[];
}

/** The discovery layer (row C8): owns the sockets, the layers and their order of start and stop. */
export class MeshDiscovery implements Discovery {
  readonly #options: MeshDiscoveryOptions;
  #counters: Counters | null = null;
  #running: Running | null = null;
  /** After the GOODBYE nothing may be said that makes us known again. */
  #leaving = false;
  #lastSendError: string | null = null;

  constructor(options: MeshDiscoveryOptions) {
    this.#options = options;
  }

  async start(context: DiscoveryContext): Promise<void> {
    const { log, scope, self } = context;
    const options = this.#options;
    const bind = withMeshSockets(options.listenAddresses ?? [], options.bind ?? bindNodeUdp, context);
    const counters = new Counters(context.metrics);
    this.#counters = counters;
    const namesNobody = options.spreading?.isPrivate ?? false;
    const announcer = new Announcer({ ...context, namesNobody });

    // The receive path refers to what acts on messages and the other way round; nothing arrives before all is there.
    const socket = await ControlSocket.open({
      bind,
      port: options.gossipPort,
      noIpv6: options.noIpv6,
      datagram: (data, from) => inbound.receive(data, from, "control"),
      failed: (error) => {
        counters.add("sendErrors");
        this.#lastSendError = error.message;
      },
    });
    const statics = new StaticPeers({
      ...context,
      log,
      peers: options.staticPeers,
      resolve: options.resolve ?? resolveAll,
      gossipPort: options.gossipPort,
      noIpv6: options.noIpv6,
      contact: (request, delayMs) => exchange.contact(request, delayMs),
    });
    const exchange = new Exchange({
      ...context,
      log,
      announcer,
      counters,
      gossipPort: options.gossipPort,
      noPunching: options.noPunching,
      send: (data, to) => this.#transmit(socket, data, to),
      reflected: (witness, observed) => addresses.keeper.observed(witness, observed),
      concluded: (hello, publicKey) => {
        statics.concluded(hello, publicKey);
        dht?.concluded(hello, "control", publicKey !== null);
      },
      met: (publicKey) => rendezvous?.met(publicKey),
    });
    const gossip = new Gossip({
      ...context,
      announcer,
      gossipPort: options.gossipPort,
      pace: options.gossip ?? "calm",
      namesNobody,
      send: (data, to) => this.#transmit(socket, data, to),
    });
    const lost = new LostPeers({
      ...context,
      places: (peer) => exchange.controlEndpoints(peer),
      contact: (request) => exchange.contact(request),
    });
    const rendezvous = options.noPunching
      ? null
      : new Rendezvous({
          context,
          ...{ noIpv6: options.noIpv6, gossipPort: options.gossipPort },
          trusted: options.introducerKeys ?? [],
          send: (data, to) => {
            if (!this.#leaving) this.#transmit(socket, data, to);
          },
          contact: (request, delayMs) => exchange.contact(request, delayMs),
          isVerified: (control) => exchange.isVerified(control),
          isHeldUp: (control) => exchange.isHeldUp(control),
          controlEndpoints: (peer) => exchange.controlEndpoints(peer),
        });
    const registry = options.registry
      ? new Registry({
          ...context,
          ...options.registry,
          namesNobody,
          gossipPort: options.gossipPort,
          contact: (request) => exchange.contact(request),
        })
      : null;
    const greetings =
      context.wireguardPort && rendezvous
        ? new PortGreetings({
            ...{ ...context, announcer, counters, port: context.wireguardPort, noIpv6: options.noIpv6 },
            datagram: (data, from) => inbound.receive(data, from, "wireguard"),
            met: (publicKey) => rendezvous.met(publicKey),
            concluded: (hello, answered) => dht?.concluded(hello, "wireguard", answered),
          })
        : null;
    const dht = options.dht
      ? new DhtLayer({
          ...context,
          ...options.dht,
          gossipPort: options.gossipPort,
          greet: greetings && ((to, brief) => greetings.greet(to, brief)),
          contact: (request) => exchange.contact(request, 0),
        })
      : null;
    const goodbyes = new GoodbyeJudge({
      ...context,
      log,
      counters,
      probe: (publicKey) => context.probe(publicKey),
      lastWordSeconds: (publicKey) => exchange.lastWordSeconds(publicKey),
    });
    const lan = options.lan
      ? new Lan({
          ...context,
          log,
          announcer,
          counters,
          bind,
          group: options.multicastGroup,
          port: options.multicastPort,
          allows: ({ name }) => this.#allows(name),
          datagram: (data, from) => inbound.receive(data, from, "lan"),
          heard: (message, meet) => exchange.heardOnLan(message, meet),
          challenge: (publicKey, host) =>
            exchange.challenge(publicKey, { host, port: options.gossipPort }, "lan"),
        })
      : null;
    const relay = this.#relayLayer(context, exchange, socket);
    const spread =
      options.spreading?.open(context, (data, to) => {
        if (!this.#leaving) this.#transmit(socket, data, to);
      }) ?? null;
    const inbound = new Inbound({
      ...context,
      log,
      counters,
      ownKey: self.snapshot.publicKey,
      isKnown: (source) => exchange.isVerified(source),
      awaits: (source, door) => (door === "wireguard" ? greetings : exchange)?.awaits(source) ?? false,
      announced: (message, door) => {
        if (this.#leaving) return;
        if (door === "control") exchange.receive(message);
        else if (door === "wireguard") greetings?.receive(message);
        else lan?.receive(message);
      },
      leaving: (message) => {
        if (!this.#leaving) goodbyes.receive(message);
      },
      signals: new Map([rendezvous, relay, spread].flatMap((layer) => [...(layer?.readers() ?? [])])),
      hasProven: (publicKey) => context.store.hasProven(publicKey),
      unproven: (publicKey, message, door) => {
        if (this.#leaving) return;
        if (door === "lan" && message !== null) lan?.receiveUnproven(message);
        else if (door === "wireguard" && message !== null) greetings?.challenge(publicKey, message.from);
        else exchange.challenge(publicKey, message?.from ?? null, "dht");
      },
    });

    const addresses = new Addresses({
      context,
      control: socket.forStun(),
      gossipPort: options.gossipPort,
      stunServers: options.stunServers,
      resolve: options.resolve ?? resolveByDns,
      noIpv6: options.noIpv6,
      advertised: options.advertised ?? null,
      allows: (linkName) => this.#allows(linkName),
      moved: () => {
        lost.networkChanged();
        this.announce();
      },
      back: () => {
        rendezvous?.networkBack();
        relay?.networkBack();
        this.announce();
      },
    });

    const abort = new AbortController();
    const run = (body: (signal: AbortSignal) => Promise<void>) => (signal: AbortSignal) =>
      body(AbortSignal.any([signal, abort.signal]));
    // Before others are told of us.
    const unsubscribes = relay ? [relay.start()] : [];
    unsubscribes.push(onSelfNews(self, () => this.announce()));
    this.#running = {
      ...{
        context,
        socket,
        inbound,
        announcer,
        exchange,
        gossip,
        registry,
        lan,
        statics,
        dht,
        addresses,
        rendezvous,
        relay,
        spread,
        abort,
        unsubscribes,
      },
    };
    const named = {
      exchange,
      goodbye: goodbyes,
      lost,
      registry,
      gossip,
      lan,
      greetings,
      punching: rendezvous,
    };
    for (const [name, layer] of Object.entries(named))
      if (layer)
        scope.start(
          `discovery.${name}`,
          "restart",
          run((signal) => layer.run(signal)),
        );
    const tasks = [statics, addresses, relay, dht, spread].flatMap((layer) => layer?.tasks() ?? []);
    for (const { name, body } of tasks) scope.start(`discovery.${name}`, "restart", run(body));
    log.info({ port: options.gossipPort, lan: options.lan }, "discovery listens");
  }

  announce(): void {
    if (this.#leaving) return;
    this.#running?.exchange.announce();
    this.#running?.lan?.burst();
  }

  setStaticPeers(peers: readonly StaticPeer[]): void {
    this.#running?.statics.replace(peers);
  }

  tune({ gossip, relayLimitBytesPerSecond, advertised }: DiscoveryTuning): void {
    if (gossip !== undefined) this.#running?.gossip.setPace(gossip);
    if (relayLimitBytesPerSecond !== undefined) this.#running?.relay?.setLimit(relayLimitBytesPerSecond);
    if (advertised !== undefined) this.#running?.addresses.keeper.advertise(advertised);
  }

  doubt(): void {
    this.#running?.addresses.stun?.doubt();
  }

  async goodbye(): Promise<void> {
    const running = this.#running;
    if (!running || this.#leaving) return;
    this.#leaving = true;
    const { announcer, context, exchange, socket } = running;
    const farewells = farewellsOf(context, this.#options.gossipPort, announcer, exchange);
    running.relay?.close();
    running.abort.abort();
    exchange.clear();
    // Not counted against the budgets, which exist for limits of ten a second: it is the last thing we say.
    for (const { datagram, to } of farewells) this.#transmit(socket, datagram, to);
    if (farewells.length === 0) return;
    await sleep(context.clock, GOODBYE_AGAIN_MS);
    for (const { datagram, to } of farewells) this.#transmit(socket, datagram, to);
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    this.#leaving = true;
    if (!running) return;
    running.relay?.close();
    running.abort.abort();
    for (const unsubscribe of running.unsubscribes) unsubscribe();
    running.addresses.close();
    running.socket.close();
  }

  clockProblem = (): string | null => this.#running?.inbound.clockProblem() ?? null;
  layers(): LayerStatus[] {
    const { dht, gossipPort, lan, noPunching } = this.#options;
    const running = this.#running;
    const state = running ? "running" : this.#leaving ? "stopped" : "starting";
    const lanOff: LayerStatus = { name: "lan", state: "off", detail: "--no-lan-discovery", lastError: null };
    const problem = this.#lastSendError ?? this.clockProblem();
    const punchingOff: LayerStatus = { ...lanOff, name: "punching", detail: "--no-punching" };
    const dhtOff: LayerStatus = { ...lanOff, name: "dht", detail: "--no-dht" };
    const idle = (name: string): LayerStatus => ({ name, state, detail: "", lastError: null });
    return [
      { name: "exchange", state, detail: `UDP port ${gossipPort}`, lastError: problem },
      lan ? (running?.lan?.status() ?? idle("lan")) : lanOff,
      running?.gossip.status() ?? idle("gossip"),
      ...(this.#options.spreading ? [running?.spread?.status() ?? idle("privacy")] : []),
      running?.registry?.status() ?? { ...idle("registry"), state: "off", detail: "no --registry given" },
      running?.statics.status() ?? idle("static"),
      dht ? (running?.dht?.status() ?? idle("dht")) : dhtOff,
      running?.addresses.status() ?? idle("stun"),
      noPunching ? punchingOff : (running?.rendezvous?.status() ?? idle("punching")),
      running ? relayStatus(running.relay, this.#options.relay) : idle("relay"),
    ];
  }

  async examine(signal: AbortSignal): Promise<NatReport | null> {
    const running = this.#running;
    if (running === null) return null;
    const { bind = bindNodeUdp, noIpv6 } = this.#options;
    const silent = { datagram: () => {}, failed: () => {} };
    const probe = await ControlSocket.open({ bind, port: 0, noIpv6, ...silent });
    try {
      return await running.addresses.examine(
        probe.forStun(),
        AbortSignal.any([running.abort.signal, signal]),
      );
    } finally {
      probe.close();
    }
  }

  counters(): Readonly<Record<string, number>> {
    return this.#counters?.snapshot() ?? {};
  }

  queues(): Readonly<Record<string, number>> {
    return this.#counters?.queues() ?? {};
  }

  #relayLayer(context: DiscoveryContext, exchange: Exchange, socket: ControlSocket): RelayLayer | null {
    return openRelayLayer({
      ...{ context, settings: this.#options.relay, gossipPort: this.#options.gossipPort },
      send: (data, to) => this.#transmit(socket, data, to),
      controlEndpoints: (peer) => exchange.controlEndpoints(peer),
    });
  }

  #transmit(socket: ControlSocket, data: Uint8Array, to: Endpoint): void {
    this.#counters?.add("sent");
    socket.send(data, to);
  }

  #allows(linkName: string): boolean {
    const { discoveryInterfaces, excludeInterfaces } = this.#options;
    if (excludeInterfaces?.includes(linkName)) return false;
    return discoveryInterfaces === undefined || discoveryInterfaces.includes(linkName);
  }
}
