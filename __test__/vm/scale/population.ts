/** Peers in any number, and what happens to them: one list of peers after another, each to be what the interface holds. */
import type { Cidr, PublicKey } from "../../../src/core/types.ts";
import type { WantedPeer } from "../../../src/wireguard/backend.ts";

/** How many peers are moved, or fewer when there are not so many. */
export const MOVED_PEERS = 10;
const LONG_LIST = 2_000;

/** Any 32 bytes are a public key; these tell their number. */
export function publicKey(number: number): PublicKey {
  const bytes = Buffer.alloc(32, 7);
  bytes.writeUInt32BE(number, 0);
  return bytes.toString("base64") as PublicKey;
}

export function ipv4(number: number): Cidr {
  return `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}/32` as Cidr;
}

export function ipv6(number: number): Cidr {
  return `fd00::${(number & 0xffff).toString(16)}/128` as Cidr;
}

/** What a node of the mesh has: an address of each family, an endpoint of either, a keepalive. Numbers are 1..65,535. */
function node(number: number): WantedPeer {
  return {
    publicKey: publicKey(number),
    endpoint:
      number % 2 === 0
        ? { host: "192.0.2.1", port: 1000 + number }
        : { host: `2001:db8::${number.toString(16)}`, port: 51820 },
    allowedIps: [ipv4(number), ipv6(number)],
    keepaliveSeconds: 25,
  };
}

export interface Step {
  readonly name: "everything" | "nothing" | "move endpoints" | "move allowed IPs" | "remove half";
  readonly wanted: readonly WantedPeer[];
}

/** The steps, in order, each from the state before it. */
export function stepsOf(first: readonly WantedPeer[]): Step[] {
  const moved = movedEndpoints(first);
  const rotated = rotatedAllowedIps(moved);
  return [
    { name: "everything", wanted: first },
    { name: "nothing", wanted: first },
    { name: "move endpoints", wanted: moved },
    { name: "move allowed IPs", wanted: rotated },
    { name: "remove half", wanted: rotated.filter((_, index) => index % 2 === 0) },
  ];
}

export function nodes(count: number): WantedPeer[] {
  return Array.from({ length: count }, (_, index) => node(index + 1));
}

/** One peer with 2,000 IPv4 networks, one with 2,000 IPv6 ones, two with one each. */
export function longLists(): WantedPeer[] {
  const numbers = Array.from({ length: LONG_LIST }, (_, index) => index + 1_000);
  const [first, second, ...others] = nodes(4);
  if (first === undefined || second === undefined) throw new Error("four nodes were made");
  return [
    { ...first, allowedIps: numbers.map(ipv4) },
    { ...second, allowedIps: numbers.map(ipv6) },
    ...others,
  ];
}

function movedEndpoints(peers: readonly WantedPeer[]): WantedPeer[] {
  return peers.map((peer, index) =>
    index < MOVED_PEERS ? { ...peer, endpoint: { host: "198.51.100.7", port: 2000 + index } } : peer,
  );
}

/** Each of the first peers gets the list of the next one, the last of them that of the first. */
function rotatedAllowedIps(peers: readonly WantedPeer[]): WantedPeer[] {
  const count = Math.min(MOVED_PEERS, peers.length);
  return peers.map((peer, index) => {
    if (index >= count) return peer;
    return { ...peer, allowedIps: peers[(index + 1) % count]?.allowedIps ?? [] };
  });
}
