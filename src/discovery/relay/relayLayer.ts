/**
 * The layer of relayed paths (row D6): this node as a relay and as an end, the messages of both, and what `status` says of them.
 */
import { ipKind } from "../../core/ipKind.ts";
import { type Endpoint, type PublicKey, parseIp } from "../../core/types.ts";
import { isConnected } from "../../peers/connected.ts";
import type { Peer } from "../../peers/peer.ts";
import { openEnvelope, sealEnvelope } from "../../wire/envelope.ts";
import { MESSAGE_ID_BYTES, splitProof, withProof } from "../../wire/proof.ts";
import {
  decodeRelayMessage,
  encodeRelayMessage,
  isRelayMessageType,
  type RelayMessage,
  type RelayMessageType,
} from "../../wire/relay.ts";
import type { DiscoveryContext, LayerStatus } from "../seams.ts";
import type { SignalReader } from "../signals.ts";
import { Forwarder } from "./forwarder.ts";
import type { RelayPlane } from "./plane.ts";
import { RelayClient } from "./relayClient.ts";
import { RelayService } from "./relayService.ts";

export interface RelaySettings {
  /** False with `--no-relay`. */
  readonly enabled: boolean;
  /** `--relay-port`; null for any. */
  readonly port: number | null;
  /** Bytes per second. */
  readonly limitBytesPerSecond: number;
  readonly trusted: readonly PublicKey[];
  readonly forced: boolean;
  /** `--allow-plaintext-relay` */
  readonly plaintextAllowed: boolean;
}

export interface RelayLayerOptions {
  readonly context: DiscoveryContext;
  readonly plane: RelayPlane;
  readonly settings: RelaySettings;
  readonly gossipPort: number;
  send(data: Uint8Array, to: Endpoint): void;
  /** Where the peer's control socket may be, outside the tunnel; the best first. */
  controlEndpoints(peer: Peer): readonly Endpoint[];
}

const TYPES: readonly RelayMessageType[] = [
  "RELAY_REQUEST",
  "RELAY_OFFER",
  "RELAY_REFUSE",
  "RELAY_SWITCH",
  "RELAY_CLOSE",
];

export class RelayLayer {
  readonly #options: RelayLayerOptions;
  readonly #client: RelayClient;
  readonly #service: RelayService;
  readonly #forwarder: Forwarder;
  #state: "starting" | "running" | "stopped" = "starting";

  constructor(options: RelayLayerOptions) {
    this.#options = options;
    const { context, plane, settings } = options;
    const { metrics } = context;
    const shared = {
      ...context,
      plane,
      seal: (to: PublicKey, message: RelayMessage) => this.#seal(to, message),
      tell: (peer: Peer, data: Uint8Array, again: boolean) => this.#tell(peer, data, again),
    };
    this.#client = new RelayClient({
      ...shared,
      trusted: settings.trusted,
      forced: settings.forced,
      received: (data) => this.#throughBridge(data),
    });
    this.#service = new RelayService({
      ...shared,
      port: settings.port ?? 0,
      limitBytesPerSecond: settings.limitBytesPerSecond,
    });
    this.#forwarder = new Forwarder({
      ...context,
      trusted: settings.trusted,
      forced: settings.forced,
      allowed: settings.plaintextAllowed,
      isLocal: (host) => context.underlay.isAdjacent(host),
    });
    metrics.reading("wgmesh_relayed_peers", "peers reached through a relay", () => this.#client.relayed);
    metrics.reading("wgmesh_relay_pairs", "pairs this node relays", () => this.#service.pairs);
  }

  /** To be put beside those of other layers. */
  readers(): [string, SignalReader][] {
    return TYPES.map((type) => [type, (payload) => this.#read(type, payload)]);
  }

  tasks(): { readonly name: string; readonly body: (signal: AbortSignal) => Promise<void> }[] {
    return [
      { name: "relay.client", body: (signal) => this.#client.run(signal) },
      { name: "relay.service", body: (signal) => this.#service.run(signal) },
      { name: "relay.forwarder", body: (signal) => this.#forwarder.run(signal) },
    ];
  }

  /** Says of this node whether it relays, now and whenever the network changes. Returns what ends that. */
  start(): () => void {
    const { self, underlay } = this.#options.context;
    this.#state = "running";
    const judge = (): void => {
      const relays = this.#mayRelay();
      if (relays !== self.snapshot.relays) self.update({ relays });
    };
    judge();
    return underlay.onChange(judge);
  }

  /** Of all that this node relays, bytes per second. */
  setLimit(limitBytesPerSecond: number): void {
    this.#service.setLimit(limitBytesPerSecond);
  }

  /** What failed until now says nothing any more. */
  networkBack(): void {
    this.#client.networkBack();
  }

  /** Tells all who are concerned, and closes every socket. */
  close(): void {
    if (this.#state === "stopped") return;
    this.#state = "stopped";
    this.#client.close();
    this.#service.close();
  }

  status(): LayerStatus {
    const { relays } = this.#options.context.self.snapshot;
    const serves = relays ? `relays ${this.#service.pairs} pairs` : "relays for nobody: not reachable";
    return {
      name: "relay",
      state: this.#state,
      detail: `${this.#client.relayed} peers relayed; ${serves}`,
      lastError: this.#service.lastError,
    };
  }

  /**
   * On a global IPv4 address of its own, or by `--relay-port`. A global IPv6 address says nothing: home routers let nobody in. Where
   * a firewall stands before it all the same, no echo comes back, and others take another relay.
   */
  #mayRelay(): boolean {
    const { context, settings } = this.#options;
    if (!settings.enabled) return false;
    const addresses = context.underlay.suitableLinks().flatMap(({ ipv4 }) => ipv4);
    return settings.port !== null || addresses.some((text) => isGlobal(text));
  }

  #read(type: RelayMessageType, payload: Parameters<SignalReader>[0]): ReturnType<SignalReader> {
    const decoded = decodeRelayMessage(type, payload);
    if (!decoded.ok) return decoded;
    const { value } = decoded;
    return {
      ok: true,
      sender: value.from,
      act: ({ proven }) => {
        if (proven && this.#state === "running") this.#act(value);
      },
    };
  }

  #act(message: RelayMessage): void {
    if (message.type === "RELAY_REQUEST") this.#service.requested(message);
    else this.#client.receive(message);
    if (message.type === "RELAY_CLOSE") this.#service.closed(message.from, message.session);
  }

  /** The relay may put anything into a bridge: only what the other end has proved to be its own counts. */
  #throughBridge(data: Buffer): void {
    const { clock, sealer, prover } = this.#options.context;
    const envelope = openEnvelope(data, sealer, clock.wallMs());
    if (!envelope.ok || !isRelayMessageType(envelope.type)) return;
    const decoded = decodeRelayMessage(envelope.type, envelope.payload);
    const split = splitProof(envelope.plaintext);
    if (!decoded.ok || split === null || decoded.value.type !== "RELAY_ECHO") return;
    const { value } = decoded;
    if (!prover.verify(value.from, envelope.type, split.signed, split.proof)) return;
    this.#client.echoed(value);
  }

  #seal(to: PublicKey, message: RelayMessage): Uint8Array {
    const { sealer, prover, random } = this.#options.context;
    const payload = encodeRelayMessage(message);
    const proven = withProof(payload, message.type, to, prover, random.bytes(MESSAGE_ID_BYTES));
    return sealEnvelope(message.type, proven, sealer, random);
  }

  /** Through the tunnel where there is one: it may be the only way in. */
  #tell(peer: Peer, data: Uint8Array, again: boolean): void {
    const { context, gossipPort, send, controlEndpoints } = this.#options;
    const outside = controlEndpoints(peer)[0];
    const hasTunnel = peer.meshIp !== null && isConnected(peer.lastHandshakeMs, context.clock.wallMs());
    if (hasTunnel && peer.meshIp !== null && !(again && outside !== undefined)) {
      send(data, { host: peer.meshIp, port: gossipPort });
    } else if (outside !== undefined) {
      send(data, outside);
    }
  }
}

/** The layer, or null with `--no-relay` and where nothing can move the packets. */
export function openRelayLayer(
  options: Omit<RelayLayerOptions, "plane" | "settings"> & { readonly settings: RelaySettings | undefined },
): RelayLayer | null {
  const { settings, context } = options;
  if (settings?.enabled !== true || context.relayPlane === null) return null;
  return new RelayLayer({ ...options, settings, plane: context.relayPlane });
}

/** Also of a layer that is not there. */
export function relayStatus(layer: RelayLayer | null, settings: RelaySettings | undefined): LayerStatus {
  if (layer !== null) return layer.status();
  const detail = settings?.enabled === false ? "--no-relay" : "cannot be had here";
  return { name: "relay", state: "off", detail, lastError: null };
}

function isGlobal(text: string): boolean {
  const ip = parseIp(text);
  return ip !== null && ipKind(ip) === "global";
}
