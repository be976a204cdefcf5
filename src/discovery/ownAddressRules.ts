/**
 * Which of the addresses known of this node it tells others (PROTOCOL.md sections 5.2 and 9). Pure.
 *
 * The Go peer takes an interface's global IPv6 address before anything else. Here an IPv4 address that STUN found to keep its
 * mapping comes first: peers with IPv6 nearly always have IPv4 too, many have IPv4 alone, and those of ours are told the IPv6 ones as
 * candidates all the same.
 */
import { ipv6Bytes } from "../core/ipBytes.ts";
import { ipKind } from "../core/ipKind.ts";
import { type Endpoint, endpointText, type IpAddress, parseIp } from "../core/types.ts";
import { type LocalNodeSnapshot, MAX_CANDIDATES } from "../peers/localNode.ts";
import { natTypeOf, type SocketVerdicts, type Verdict } from "./stun/verdict.ts";

export interface AddressSources {
  /** The port WireGuard is bound to. */
  readonly wireguardPort: number;
  /** Null where WireGuard's own port cannot be asked from. */
  readonly wireguard: SocketVerdicts | null;
  readonly control: SocketVerdicts;
  /** What members saw, as far as it is believed. */
  readonly reflected: IpAddress | null;
  /** False while STUN is still asking for the first time: then nothing is guessed. */
  readonly settled: boolean;
  /** Of the links of the host that may be used, in their order. */
  readonly interfaceAddresses: readonly IpAddress[];
  /** What the operator says, which counts before all else; port null for WireGuard's own. */
  readonly advertised: AdvertisedEndpoint | null;
}

export interface AdvertisedEndpoint {
  readonly host: IpAddress;
  readonly port: number | null;
}

export type OwnAddress = Pick<
  LocalNodeSnapshot,
  "externalHost" | "externalWireguardPort" | "externalControl" | "natType" | "candidates"
>;

const NOTHING: SocketVerdicts = { ipv4: null, ipv6: null };
/** Addresses of links that are told, of each family. */
const MAX_LINK_ADDRESSES = 4;

export function ownAddress(sources: AddressSources): OwnAddress {
  const { control, reflected, settled, wireguardPort } = sources;
  const wireguard = sources.wireguard ?? NOTHING;
  const ipv4 = wireguardEndpoint(wireguard.ipv4, control.ipv4, wireguardPort);
  const ipv6 = wireguardEndpoint(wireguard.ipv6, control.ipv6, wireguardPort);
  const changing = (wireguard.ipv4 ?? control.ipv4)?.mapping === "dependent";
  const guess = settled ? bestIpv6(sources.interfaceAddresses) : null;
  const fallback = [reflected, guess].find((host) => host !== null) ?? null;
  const { advertised } = sources;
  const named = advertised && { host: advertised.host, port: advertised.port ?? wireguardPort };
  const chosen = [
    named,
    changing ? null : ipv4,
    ipv6,
    ipv4,
    fallback && { host: fallback, port: wireguardPort },
  ].find((endpoint) => endpoint !== null);
  return {
    externalHost: chosen?.host ?? null,
    externalWireguardPort: chosen && chosen.port !== wireguardPort ? chosen.port : null,
    externalControl: steady(control.ipv4) ?? steady(control.ipv6),
    natType: natTypeOf([wireguard.ipv4, control.ipv4, wireguard.ipv6, control.ipv6].find(Boolean)?.mapping),
    candidates: candidates(sources, [named, ipv4, ipv6]),
  };
}

interface IpEndpoint extends Endpoint {
  readonly host: IpAddress;
}

/** Where one family reaches WireGuard from outside, as far as STUN knows. */
function wireguardEndpoint(own: Verdict | null, control: Verdict | null, port: number): IpEndpoint | null {
  const host = globalHost(own) ?? globalHost(control);
  if (host === null) return null;
  // The control socket's mapping, or one that changes with who asks, says nothing about the port that others will meet.
  const tellsPort = globalHost(own) !== null && own?.mapping !== "dependent";
  return { host, port: tellsPort && own !== null ? own.mapped.port : port };
}

function globalHost(verdict: Verdict | null): IpAddress | null {
  const host = verdict === null ? null : parseIp(verdict.mapped.host);
  return host !== null && ipKind(host) === "global" ? host : null;
}

/** A mapping that is the same to others as to the STUN servers. */
function steady(verdict: Verdict | null): Endpoint | null {
  return globalHost(verdict) === null || verdict?.mapping === "dependent" ? null : (verdict?.mapped ?? null);
}

/** Everything WireGuard may be reached at, the likeliest first. A changing mapping's last port is where predicting begins. */
function candidates(sources: AddressSources, found: readonly (Endpoint | null)[]): Endpoint[] {
  const { wireguard, wireguardPort, interfaceAddresses } = sources;
  const told = [...found, wireguard?.ipv4?.mapped ?? null, wireguard?.ipv6?.mapped ?? null];
  const ipv6 = rankedIpv6(interfaceAddresses).slice(0, MAX_LINK_ADDRESSES);
  const ipv4 = interfaceAddresses.filter(isLinkIpv4).slice(0, MAX_LINK_ADDRESSES);
  const links = [...ipv6, ...ipv4].map((host) => ({ host, port: wireguardPort }));
  const all = [...told, ...links].filter((endpoint) => endpoint !== null);
  return [...new Map(all.map((endpoint) => [endpointText(endpoint), endpoint])).values()].slice(
    0,
    MAX_CANDIDATES,
  );
}

function isLinkIpv4(ip: IpAddress): boolean {
  return !ip.includes(":") && ["global", "private", "carrierNat"].includes(ipKind(ip));
}

/**
 * PROTOCOL.md section 9: how good an interface's IPv6 address is as the own endpoint, or null for one that is no use outside. An
 * address made from a hardware address (ff:fe in its middle) comes after one that is not.
 */
export function ipv6EndpointScore(ip: IpAddress): number | null {
  if (!ip.includes(":") || ipKind(ip) !== "global") return null;
  const bytes = ipv6Bytes(ip);
  const isYggdrasil = (bytes.readUInt8(0) & 0xfe) === 0x02;
  const isDocumentation = bytes.readUInt32BE(0) === 0x20010db8;
  if (isYggdrasil || isDocumentation) return null;
  const isUnicastOfIana = (bytes.readUInt8(0) & 0xe0) === 0x20;
  const isFromHardware = bytes.readUInt16BE(11) === 0xfffe;
  return 10 + (isUnicastOfIana ? 20 : 0) - (isFromHardware ? 5 : 0);
}

/** The usable ones, by score, then by text. */
function rankedIpv6(addresses: readonly IpAddress[]): IpAddress[] {
  return addresses
    .map((ip) => ({ ip, score: ipv6EndpointScore(ip) }))
    .filter((entry): entry is { ip: IpAddress; score: number } => entry.score !== null)
    .sort((a, b) => b.score - a.score || (a.ip < b.ip ? -1 : 1))
    .map(({ ip }) => ip);
}

function bestIpv6(addresses: readonly IpAddress[]): IpAddress | null {
  return rankedIpv6(addresses)[0] ?? null;
}
