/**
 * The kinds of places a node can be at, and how an outside STUN client tells each. Mapping and filtering are the words of
 * RFC 4787: `independent` of the endpoint, `address` dependent, address and `port` dependent.
 */
export type Dependence = "independent" | "address" | "port";

export interface UserspaceNat {
  readonly mapping: Dependence;
  readonly filtering: Dependence;
  readonly ports: "random" | "preserve" | "sequential";
}

export interface Kind {
  readonly what: string;
  /** What RFC 5780 must find there. */
  readonly mapping: Dependence | "none";
  readonly filtering: Dependence;
  /** The router is Linux with these rules; `wan` is the link upstream. */
  readonly rules?: string;
  /** The router is programs/nat.py. */
  readonly userspace?: UserspaceNat;
  /** Where an early packet from outside goes: to nowhere, or into a mapping of its own that takes the port from the inside. */
  readonly earlyPacket?: "dropped" | "takes the port";
}

/** A static forward covers these ports, so that several nodes of one host have one: the ports WireGuard tries. */
export const forwardedPorts = { from: 51820, to: 51919 } as const;
/** The host a static forward leads to: the first of its network. */
export const firstHost = 10;

const dropNew = `
  chain input { type filter hook input priority filter; iifname "wan" ct state new drop; }
  chain forward { type filter hook forward priority filter; iifname "wan" ct status dnat accept; iifname "wan" ct state new drop; }`;
const masquerade = (how: string): string =>
  `chain out { type nat hook postrouting priority srcnat; meta nfproto ipv4 oifname "wan" masquerade ${how}; }`;
const { from, to } = forwardedPorts;

const endpointIndependent = (filtering: Dependence): UserspaceNat => ({
  mapping: "independent",
  filtering,
  ports: "random",
});

const masqueraded = {
  what: "Linux masquerade, new packets from outside dropped",
  mapping: "independent",
  filtering: "port",
  rules: `${masquerade("")} ${dropNew}`,
  earlyPacket: "dropped",
} as const satisfies Kind;

export const kinds = {
  O: { what: "public", mapping: "none", filtering: "independent" },
  F: { what: "stateful host firewall", mapping: "none", filtering: "port" },
  S: {
    what: "static port forward",
    mapping: "independent",
    filtering: "independent",
    rules: `chain in { type nat hook prerouting priority dstnat; iifname "wan" udp dport ${from}-${to} dnat ip to 192.168.1.${firstHost}; }\n${masquerade("")} ${dropNew}`,
  },
  M: masqueraded,
  MM: { ...masqueraded, what: "double NAT: masquerade behind masquerade" },
  I: {
    what: "Linux masquerade, new packets from outside accepted",
    mapping: "independent",
    filtering: "port",
    rules: masquerade(""),
    earlyPacket: "takes the port",
  },
  R: {
    what: "symmetric: masquerade fully-random",
    mapping: "port",
    filtering: "port",
    rules: `${masquerade("fully-random")} ${dropNew}`,
  },
  Q: {
    what: "symmetric, ports counted up",
    mapping: "port",
    filtering: "port",
    userspace: { mapping: "port", filtering: "port", ports: "sequential" },
  },
  FC: {
    what: "full cone",
    mapping: "independent",
    filtering: "independent",
    userspace: endpointIndependent("independent"),
  },
  AR: {
    what: "address-restricted cone",
    mapping: "independent",
    filtering: "address",
    userspace: endpointIndependent("address"),
  },
  PR: {
    what: "port-restricted cone",
    mapping: "independent",
    filtering: "port",
    userspace: endpointIndependent("port"),
  },
} as const satisfies Readonly<Record<string, Kind>>;

export type KindName = keyof typeof kinds;
export const kindOf = (name: KindName): Kind => kinds[name];
