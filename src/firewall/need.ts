/**
 * What a firewall of this host has to let through for a node to be one (row G10). Pure: facts in, list out; how it is written for each kind
 * of firewall stands in the files beside this one.
 */
import type { InterfaceName } from "../core/types.ts";

/** What follows from one secret: a node that moves to a new one is in two meshes for a while. */
export interface MeshPorts {
  /** UDP: how members find and greet each other. */
  readonly controlPort: number;
  /** UDP and TCP, on the mesh addresses alone: how members see that the tunnel works. */
  readonly probePort: number;
  /** IPv4, of LAN discovery. */
  readonly multicastGroup: string;
}

export interface NodeFacts {
  readonly interfaceName: InterfaceName;
  readonly wireguardPort: number;
  readonly meshes: readonly MeshPorts[];
  readonly lanDiscovery: boolean;
  /** Null where the DHT is off, or has whatever port is free. */
  readonly dhtPort: number | null;
  /** Null where this node does not relay, or has whatever port is free. */
  readonly relayPort: number | null;
  /** Whether there is IPv6 outside and inside the mesh (`--no-ipv6`). */
  readonly ipv6: boolean;
  /** Networks that are advertised, each with the link that leads there; null where none does. */
  readonly networks: readonly { readonly network: string; readonly link: string | null }[];
  /** Links of the default routes of an exit node; empty for a node that is none. */
  readonly exitLinks: readonly string[];
}

/** Something that comes in to this host. */
export interface Opening {
  readonly id: "wireguard" | "control" | "relay" | "dht" | "multicast" | "igmp" | "probe";
  readonly protocol: "udp" | "tcp" | "igmp";
  /** Null where the protocol has no ports. */
  readonly port: number | null;
  /** Null for any address of this host. */
  readonly destination: string | null;
  /** Null for any link but loopback. */
  readonly link: string | null;
  readonly ipv6: boolean;
  readonly why: string;
}

/** Something that this host passes on from one link to another. */
export interface Passage {
  readonly from: string;
  /** Null where the host has no way to the networks now; the interface itself where its clients are. */
  readonly to: string | null;
  readonly networks: readonly string[];
  /** From the link to the mesh only what answers: nobody outside begins. */
  readonly answersOnly: boolean;
}

export interface Need {
  readonly interfaceName: InterfaceName;
  readonly openings: readonly Opening[];
  readonly passages: readonly Passage[];
}

/** The multicast port of LAN discovery (PROTOCOL.md section 2). */
const MULTICAST_PORT = 51830;
/** Stands among the networks of a passage that leads an exit node's users out. */
export const INTERNET = "the Internet";

export function needOf(facts: NodeFacts): Need {
  return {
    interfaceName: facts.interfaceName,
    openings: openingsOf(facts),
    passages: passagesOf(facts),
  };
}

function openingsOf(facts: NodeFacts): Opening[] {
  const { meshes, interfaceName, ipv6 } = facts;
  const udp = (id: Opening["id"], port: number, why: string): Opening => ({
    ...{ id, protocol: "udp", port, destination: null, link: null, ipv6, why },
  });
  const openings = [
    udp("wireguard", facts.wireguardPort, "WireGuard"),
    ...meshes.map(({ controlPort }) => udp("control", controlPort, "control")),
  ];
  if (facts.relayPort !== null) openings.push(udp("relay", facts.relayPort, "relaying for others"));
  if (facts.dhtPort !== null) openings.push(udp("dht", facts.dhtPort, "DHT"));
  if (facts.lanDiscovery) {
    for (const { multicastGroup } of meshes) {
      const opening = udp("multicast", MULTICAST_PORT, "LAN discovery");
      openings.push({ ...opening, destination: multicastGroup, ipv6: false });
    }
    // Switches that look into IGMP forget a group whose members never hear the query.
    const why = "lets switches know who is in that group";
    openings.push({
      ...{ id: "igmp", protocol: "igmp", port: null, destination: null, link: null, ipv6: false, why },
    });
  }
  for (const { probePort } of meshes) {
    for (const protocol of ["tcp", "udp"] as const) {
      const opening = udp("probe", probePort, "asks whether the tunnel works");
      openings.push({ ...opening, protocol, link: interfaceName });
    }
  }
  return openings;
}

/** By the links that lead to the networks, as the doctor looks at it. */
function passagesOf({ interfaceName, networks, exitLinks }: NodeFacts): Passage[] {
  const links = [...new Set(networks.map(({ link }) => link))];
  const passages = links.map(
    (to): Passage => ({
      ...{ from: interfaceName, to, answersOnly: false },
      networks: [
        ...networks.filter(({ link }) => link === to).map(({ network }) => network),
        ...(to !== null && exitLinks.includes(to) ? [INTERNET] : []),
      ],
    }),
  );
  const more = [...new Set(exitLinks)].filter((link) => !links.includes(link));
  return [
    ...passages,
    ...more.map((to) => ({ from: interfaceName, to, networks: [INTERNET], answersOnly: true })),
  ];
}

/** What a rule's comment says: whose it is. */
export const commentOf = ({ interfaceName }: Pick<Need, "interfaceName">): string =>
  `wgmesh ${interfaceName}`;

/** `UDP port 51820 (WireGuard)`. */
export function openingText({ protocol, port, destination, link, why }: Opening): string {
  const what = port === null ? protocol.toUpperCase() : `${protocol.toUpperCase()} port ${port}`;
  const to = destination === null ? "" : ` to ${destination}`;
  return `${what}${to}${link === null ? "" : ` on ${link}`} (${why})`;
}
