/** The discovery of one mesh, as the options ask for it. */
import type { DaemonOptions } from "../config/options.ts";
import { registryPlace } from "../config/registry.ts";
import { listenOn } from "../discovery/listenSockets.ts";
import { MeshDiscovery } from "../discovery/meshDiscovery.ts";
import { bindNodeUdpWith } from "../discovery/nodeUdp.ts";
import { issueTitle } from "../discovery/registry/issueBody.ts";
import type { RegistrySetting } from "../discovery/registry/registry.ts";
import { DEFAULT_STUN_SERVERS, type StunServer } from "../discovery/stun/servers.ts";
import type { MeshIdentity } from "../identity/meshIdentity.ts";
import { dhtOptions } from "./dht.ts";
import { spreading } from "./spreading.ts";
import { marking } from "./underlayMark.ts";

/** LAN multicast of every mesh (PROTOCOL.md section 2). */
const MULTICAST_PORT = 51830;

/** @param part a `second` one stands beside a whole one, and has neither relays, STUN, hole punching nor a registry of its own. */
export function discoveryOf(
  options: DaemonOptions,
  { secret, parameters: mesh }: MeshIdentity,
  part: "whole" | "second",
): MeshDiscovery {
  const whole = part === "whole";
  return new MeshDiscovery({
    gossipPort: mesh.gossipPort,
    multicastGroup: mesh.multicastGroup,
    multicastPort: MULTICAST_PORT,
    lan: options.lanDiscovery,
    staticPeers: whole ? options.peers : [],
    ...(whole
      ? {
          relay: {
            enabled: options.relay,
            port: options.relayPort,
            limitBytesPerSecond: options.relayLimit,
            trusted: options.introducerKeys,
            forced: options.forceRelay,
            plaintextAllowed: options.allowPlaintextRelay,
          },
        }
      : {}),
    gossip: options.gossip,
    spreading: spreading(options.privacy, mesh.gossipPort),
    ...(whole && options.registry ? { registry: registrySetting(mesh.rendezvousId) } : {}),
    bind: listenOn(options.listenAddresses, bindNodeUdpWith(marking(options.fwmark))),
    listenAddresses: options.listenAddresses,
    noIpv6: !options.ipv6,
    advertised: options.advertiseEndpoint,
    noPunching: !whole || !options.punching,
    introducerKeys: options.introducerKeys,
    stunServers: whole ? stunServersOf(options) : [],
    ...(options.discoveryInterfaces.length === 0 ? {} : { discoveryInterfaces: options.discoveryInterfaces }),
    excludeInterfaces: options.excludedInterfaces,
    ...(options.dht && hasIpv4(options)
      ? { dht: dhtOptions(whole ? options : { ...options, dhtPort: 0 }, secret, mesh.networkId) }
      : {}),
  });
}

function registrySetting(rendezvousId: string): RegistrySetting {
  return { access: registryPlace(process.env), title: issueTitle(rendezvousId), fetch };
}

/** The DHT is IPv4 alone. */
function hasIpv4({ listenAddresses }: DaemonOptions): boolean {
  return listenAddresses.length === 0 || listenAddresses.some((address) => !address.includes(":"));
}

function stunServersOf({ stun, stunServers }: DaemonOptions): readonly StunServer[] {
  if (!stun) return [];
  return stunServers.length === 0 ? DEFAULT_STUN_SERVERS : stunServers;
}
