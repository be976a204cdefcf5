/**
 * `wgmesh netcheck` without a daemon: from a socket of its own, which shows the NAT but not a node's ports.
 */
import { systemClock } from "../core/clock.ts";
import type { NetReport } from "../core/netReport.ts";
import { systemRandom } from "../core/random.ts";
import { type Endpoint, type InterfaceName, parseIp } from "../core/types.ts";
import { ControlSocket } from "../discovery/controlSocket.ts";
import { resolveByDns } from "../discovery/dnsResolver.ts";
import { examine } from "../discovery/netcheck/examine.ts";
import { nodeAsk } from "../discovery/netcheck/nodeAsk.ts";
import { bindNodeUdp } from "../discovery/nodeUdp.ts";
import { DEFAULT_STUN_SERVERS, StunServers } from "../discovery/stun/servers.ts";
import { HostUnderlay } from "../mesh/underlay.ts";
import { hostSystem } from "./hostSystem.ts";
import { netCheck } from "./netCheck.ts";

/** @param servers empty for the public ones. */
export async function netCheckAlone(
  servers: readonly Endpoint[],
  interfaceName: InterfaceName,
): Promise<NetReport> {
  const clock = systemClock;
  const underlay = new HostUnderlay({ host: hostSystem.host, interfaceName, meshNetworks: [] });
  const ownAddresses = underlay.addresses().flatMap(({ address }) => parseIp(address) ?? []);
  const silent = { datagram: () => {}, failed: () => {} };
  const probe = await ControlSocket.open({ bind: bindNodeUdp, port: 0, noIpv6: false, ...silent });
  try {
    return await netCheck({
      system: hostSystem,
      ask: nodeAsk(clock),
      node: null,
      examine: () =>
        examine({
          ...{ clock, ownAddresses },
          random: systemRandom,
          sockets: [{ name: "probe", socket: probe.forStun(), port: null }],
          servers: new StunServers({
            clock,
            resolve: resolveByDns,
            servers: servers.length === 0 ? DEFAULT_STUN_SERVERS : servers,
          }),
          signal: new AbortController().signal,
        }),
    });
  } finally {
    probe.close();
  }
}
