import { type Check, type Judgement, note, ok, together, unknown, warning } from "../check.ts";
import type { DoctorHost } from "../host.ts";
import { ANYWHERE, advertisedNetworks, hasDefaultRoute, isOffline } from "./paths.ts";

/** Outer IPv6, UDP and WireGuard (mesh/pathMtu.ts). */
const OVERHEAD = 80;
/** Least MTU of IPv6. */
const LEAST_MTU = 1280;

export const routeCheck: Check = {
  id: "route",
  title: "Way to the Internet",
  judge(_patient, host) {
    const { ipv4, ipv6 } = hasDefaultRoute(host);
    if (ipv4 && ipv6) return ok("IPv4 and IPv6 have a default route");
    if (ipv4 || ipv6) return ok(`${ipv4 ? "IPv4" : "IPv6"} has a default route, the other has none`);
    return warning(
      "there is no default route: only nodes on the links of this machine can be reached",
      "bring the link to the router up, or add a route (ip route add default via ROUTER)",
    );
  },
};

/** The mesh's IPv6 addresses need it on the machine, not on the way. */
export const ipv6Check: Check = {
  id: "ipv6",
  title: "IPv6",
  judge({ options: { ipv6, interfaceName } }, host) {
    if (!ipv6) return ok("the mesh address is switched off (--no-ipv6)");
    if (host.platform !== "linux") return ok("of this system's own");
    const off = [interfaceName, "default", "all"].find(
      (name) => host.setting(`ipv6/conf/${name}/disable_ipv6`) === "1",
    );
    if (off !== undefined) {
      return warning(
        `the kernel's IPv6 is off (net.ipv6.conf.${off}.disable_ipv6): the node has no mesh IPv6 address`,
        `sysctl -w net.ipv6.conf.${off}.disable_ipv6=0, or start with --no-ipv6`,
      );
    }
    if (host.setting("ipv6/conf/all/disable_ipv6") !== null) return ok("the kernel has it");
    return warning("the kernel has no IPv6: the node has no mesh IPv6 address", "start with --no-ipv6");
  },
};

export const forwardingCheck: Check = {
  id: "forwarding",
  title: "Forwarding",
  judge(patient, host) {
    const networks = advertisedNetworks(patient);
    if (networks.length === 0) return ok("no network is advertised");
    const { interfaceName } = patient.options;
    const findings = networks.map((network): Judgement => {
      const [address = ""] = network.split("/");
      const link = host.pathTo(address)?.linkName;
      if (link === undefined) {
        return warning(
          `${network} is advertised, but this machine has no way to it`,
          `add a route to ${network}`,
        );
      }
      return forwardingOf(
        address.includes(":") ? ["all"] : [interfaceName, link],
        address,
        patient.running !== null,
        host,
      );
    });
    return together(findings, ok(`packets are passed on to ${networks.join(", ")}`));
  },
};

function forwardingOf(links: readonly string[], address: string, runs: boolean, host: DoctorHost): Judgement {
  const family = address.includes(":") ? "ipv6" : "ipv4";
  const off = links.filter((link) => host.setting(`${family}/conf/${link}/forwarding`) === "0");
  if (off.length === 0 || (!runs && host.settingsWritable())) return ok(family);
  const commands = off.map((link) => `sysctl -w net.${family}.conf.${link}.forwarding=1`).join("; ");
  return warning(
    `the kernel does not forward ${family === "ipv4" ? "IPv4" : "IPv6"} on ${off.join(", ")}`,
    `${host.settingsWritable() ? commands : `on the host of this container: ${commands}`}; 'wgmesh firewall' prints what a firewall has to let through besides`,
  );
}

export const mtuCheck: Check = {
  id: "mtu",
  title: "MTU of the paths",
  judge({ running, options: { mtu } }, host) {
    const targets = [ANYWHERE.ipv4, ANYWHERE.ipv6, ...(running?.peerHosts ?? [])];
    const paths = targets.flatMap((target) => {
      const path = host.pathTo(target);
      return path === null || path.type !== "unicast" ? [] : [{ target, ...path }];
    });
    const least = paths.reduce<(typeof paths)[number] | null>(
      (found, path) => (found === null || path.mtu < found.mtu ? path : found),
      null,
    );
    if (least === null) return unknown("there is no path to look at");
    const by = `the path by ${least.linkName} takes ${least.mtu} bytes`;
    const fits = least.mtu - OVERHEAD;
    if (fits < LEAST_MTU) {
      return warning(
        `${by}: packets of the mesh (${LEAST_MTU} at least) are cut into fragments, which many networks drop`,
        `raise the MTU of ${least.linkName} to ${LEAST_MTU + OVERHEAD} or more`,
      );
    }
    if (mtu === null || mtu <= fits) return ok(`${by}, a packet of the mesh up to ${fits}`);
    return warning(
      `${by}, and --mtu ${mtu} needs ${mtu + OVERHEAD}`,
      `use --mtu ${fits} or less, or leave it out`,
    );
  },
};

export const multicastCheck: Check = {
  id: "multicast",
  title: "Multicast",
  judge({ options }, host) {
    if (!options.lanDiscovery) return ok("LAN discovery is off");
    const links = host.links();
    const unheard = [...options.discoveryInterfaces, ...options.excludedInterfaces].filter(
      (name) => !links.some((link) => link.name === name),
    );
    const withIpv4 = new Set(
      host.addresses().flatMap(({ linkName, address }) => (address.includes(":") ? [] : [linkName])),
    );
    const suitable = links.filter(
      ({ name, kind, up, loopback, multicast, pointToPoint }) =>
        up &&
        multicast &&
        !loopback &&
        !pointToPoint &&
        kind !== "wireguard" &&
        kind !== "tun" &&
        withIpv4.has(name),
    );
    const used = suitable
      .map(({ name }) => name)
      .filter((name) => !options.excludedInterfaces.includes(name))
      .filter(
        (name) => options.discoveryInterfaces.length === 0 || options.discoveryInterfaces.includes(name),
      );
    const findings = unheard.map((name) =>
      note(`there is no link ${name}, which discovery is told of`, "mend --discovery-iface, --exclude-iface"),
    );
    if (used.length === 0) {
      findings.push(
        warning(
          "no link is up that takes multicast and has an IPv4 address: nodes of the LAN are not found",
          "ip link set LINK up multicast on, or turn it off: --no-lan-discovery",
        ),
      );
    }
    return together(findings, ok(`by ${used.join(", ")}`));
  },
};

export const dnsCheck: Check = {
  id: "dns",
  title: "Names",
  async judge({ options, publicServers }, host, signal) {
    const { dht, dhtBootstrap, stun, stunServers, peers } = options;
    const servers = [
      ...(stun ? orPublic(stunServers, publicServers.stun) : []),
      ...(dht ? orPublic(dhtBootstrap, publicServers.dht) : []),
      ...peers,
    ];
    const names = [
      ...new Set(servers.map(({ host: name }) => name).filter((name) => !/^[\d.]+$|:/.test(name))),
    ];
    if (names.length === 0) return ok("none is needed");
    const found = await Promise.allSettled(names.map((name) => host.resolve(name, signal)));
    const missing = names.filter((_name, index) => found[index]?.status === "rejected");
    if (missing.length === 0) return ok(`${names.length} are found`);
    if (isOffline(host)) return unknown("there is no default route");
    const seen = `${missing.join(", ")} cannot be resolved`;
    const remedy = "check /etc/resolv.conf, and that a firewall lets DNS out";
    if (missing.length < names.length) return note(`${seen}; the others can`);
    return warning(`${seen}: nodes far away are found less easily`, remedy);
  },
};

export const stunCheck: Check = {
  id: "stun",
  title: "STUN",
  async judge({ options, publicServers }, host, signal) {
    if (!options.stun) return ok("switched off (--no-stun)");
    const servers = orPublic(options.stunServers, publicServers.stun);
    if (options.stunServers.length === 0 && isOffline(host)) return unknown("there is no default route");
    const afterMs = await host.askStun(servers, signal);
    if (afterMs !== null) return ok(`a server answered after ${Math.round(afterMs)} ms`);
    return warning(
      "no STUN server answers: behind a NAT this node does not learn its address outside",
      "let UDP out and its answers in; --stun-server names others; 'wgmesh netcheck' tells more",
    );
  },
};

const orPublic = <T>(own: readonly T[], others: readonly T[]): readonly T[] =>
  own.length > 0 ? own : others;
