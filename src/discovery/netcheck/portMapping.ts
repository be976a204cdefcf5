/**
 * Whether the router offers port mappings: PCP (RFC 6887), NAT-PMP (RFC 6886), UPnP (its discovery, by unicast as its version 1.1
 * allows). It is only asked; nothing is mapped.
 */
import { ipv6Bytes } from "../../core/ipBytes.ts";
import { ipKind } from "../../core/ipKind.ts";
import type { Finding } from "../../core/netReport.ts";
import { type Endpoint, parseIp } from "../../core/types.ts";

/** What came of a question to one address. */
export type Reply =
  | { readonly kind: "answer"; readonly data: Buffer }
  /** The host says that nobody listens there. */
  | { readonly kind: "refused" }
  | { readonly kind: "silent" };

/** Sends to one address, a few times, and gives the first datagram that comes from exactly there. */
export type Ask = (to: Endpoint, data: Buffer) => Promise<Reply>;

export interface PortMappingReport {
  readonly pcp: Finding;
  readonly nat_pmp: Finding;
  readonly upnp: Finding;
}

/** RFC 6887 section 19.2, RFC 6886 section 1.1. */
const PCP_PORT = 5351;
const SSDP_PORT = 1900;

/**
 * @param gateway an IP literal, null when there is none
 * @param source the address our packets to it come from
 */
export async function findPortMapping(
  ask: Ask,
  gateway: string | null,
  source: string | null,
): Promise<PortMappingReport> {
  if (gateway === null || source === null) {
    const none: Finding = { state: "unknown", detail: "no router: nobody to ask" };
    return { pcp: none, nat_pmp: none, upnp: none };
  }
  const [pcp, natPmp, upnp] = await Promise.all([
    ask({ host: gateway, port: PCP_PORT }, pcpAnnounce(source)),
    gateway.includes(":") ? null : ask({ host: gateway, port: PCP_PORT }, natPmpAddressRequest()),
    ask({ host: gateway, port: SSDP_PORT }, ssdpSearch(gateway)),
  ]);
  return {
    pcp: finding(pcp, readPcp),
    nat_pmp: natPmp === null ? { state: "no", detail: "NAT-PMP is for IPv4" } : finding(natPmp, readNatPmp),
    upnp: finding(upnp, readSsdp),
  };
}

function finding(reply: Reply, read: (data: Buffer) => Finding): Finding {
  switch (reply.kind) {
    case "answer":
      return read(reply.data);
    case "refused":
      return { state: "no", detail: "the router says that nobody listens" };
    case "silent":
      return { state: "unknown", detail: "no answer" };
  }
}

/** RFC 6887 sections 7.1 and 14.1: version 2, opcode ANNOUNCE, lifetime 0, our address in its IPv6 form. */
export function pcpAnnounce(source: string): Buffer {
  const request = Buffer.alloc(24);
  request[0] = 2;
  const address = source.includes(":")
    ? ipv6Bytes(source)
    : Buffer.from([...new Array<number>(10).fill(0), 0xff, 0xff, ...source.split(".").map(Number)]);
  address.copy(request, 8);
  return request;
}

/** RFC 6886 section 3.2: version 0, opcode 0. */
export function natPmpAddressRequest(): Buffer {
  return Buffer.from([0, 0]);
}

function ssdpSearch(gateway: string): Buffer {
  const host = gateway.includes(":") ? `[${gateway}]` : gateway;
  const lines = [
    "M-SEARCH * HTTP/1.1",
    `HOST: ${host}:${SSDP_PORT}`,
    'MAN: "ssdp:discover"',
    "MX: 1",
    "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1",
  ];
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`);
}

/** RFC 6887 sections 7.2 and 7.4. */
export function readPcp(data: Buffer): Finding {
  if (data.length < 4) return { state: "unknown", detail: "an answer that is none" };
  const [version, opcode, , result] = data;
  // A router with NAT-PMP alone says so in its own form (RFC 6887 appendix A).
  if (version !== 2) return { state: "no", detail: "the router speaks another version" };
  if (opcode !== 0x80 || data.length < 24) return { state: "unknown", detail: "an answer that is none" };
  if (result === 0) return { state: "yes", detail: "the router answers" };
  // UNSUPP_OPCODE: it is a PCP server all the same, only without ANNOUNCE.
  if (result === 4) return { state: "yes", detail: "the router answers, without ANNOUNCE" };
  return { state: "no", detail: `the router refuses, result ${result}` };
}

/** RFC 6886 section 3.2. */
export function readNatPmp(data: Buffer): Finding {
  if (data.length < 4 || data[0] !== 0 || data[1] !== 0x80) {
    return { state: "unknown", detail: "an answer that is none" };
  }
  const result = data.readUInt16BE(2);
  if (result !== 0) return { state: "no", detail: `the router refuses, result ${result}` };
  const external = data.length < 12 ? null : parseIp(data.subarray(8, 12).join("."));
  if (external === null || ipKind(external) === "unspecified") {
    return { state: "no", detail: "the router has no address outside" };
  }
  return { state: "yes", detail: `the router is ${external} outside` };
}

/** Only the first line and the device's kind count; the rest is the text of whoever answers. */
export function readSsdp(data: Buffer): Finding {
  const text = data.toString("latin1", 0, 2_000);
  const isGateway = /^HTTP\/1\.[01] 200\b/.test(text) && /InternetGatewayDevice/i.test(text);
  if (!isGateway) return { state: "unknown", detail: "an answer that is none" };
  return { state: "yes", detail: "the router answers" };
}
