/**
 * The rules of PROTOCOL.md section 4.7. The Go peer applies them on some paths only (weak point 6), wgmesh on every one.
 */

import { sameText } from "../core/texts.ts";
import {
  type Cidr,
  type IpAddress,
  type PublicKey,
  parseCidr,
  parseIp,
  parsePublicKey,
} from "../core/types.ts";
import { readPort, splitHostPort } from "./hostPort.ts";
import type { NatType } from "./types.ts";

export const MAX_NETWORKS = 100;
export const MAX_KNOWN_PEERS = 1000;

const HOSTNAME = /^[\x20-\x7e]{0,253}$/;
const INSTANCE = /^[0-9a-f]{16}$/;

/** The four fields that are checked for the sender and for each known peer. */
interface CheckedFields {
  readonly wg_pubkey: string;
  readonly hostname: string;
  readonly mesh_ip: string;
  readonly wg_endpoint: string;
}

export interface NodeFields {
  readonly publicKey: PublicKey;
  readonly meshIp: IpAddress;
}

/** The parsed key and address, or the name of the first field that breaks its rule. */
export function checkNodeFields(fields: CheckedFields): NodeFields | keyof CheckedFields {
  const publicKey = parsePublicKey(fields.wg_pubkey);
  if (publicKey === null) return "wg_pubkey";
  const meshIp = parseIp(fields.mesh_ip);
  if (meshIp === null) return "mesh_ip";
  if (!isEndpointText(fields.wg_endpoint)) return "wg_endpoint";
  if (!isHostname(fields.hostname)) return "hostname";
  return { publicKey, meshIp };
}

/** The networks, or the name of the first field that breaks its rule. */
export function checkNetworks(texts: readonly string[]): readonly Cidr[] | string {
  if (texts.length > MAX_NETWORKS) return "routable_networks";
  const networks: Cidr[] = [];
  for (const [index, text] of texts.entries()) {
    const network = parseCidr(text);
    if (network === null) return `routable_networks[${index}]`;
    networks.push(network);
  }
  return networks;
}

/** At most 253 bytes of printable ASCII; may be empty. */
export function isHostname(text: string): boolean {
  return HOSTNAME.test(text);
}

/** Empty, or `host:port` with any host and a port from 1 to 65535. */
export function isEndpointText(text: string): boolean {
  if (text === "") return true;
  const parts = splitHostPort(text);
  return parts !== null && readPort(parts.port) !== null;
}

/** The Go peer does not check this field, so an unknown text says nothing instead of spoiling the message. */
export function readNatType(text: string): NatType {
  return text === "cone" || text === "symmetric" || text === "unknown" ? text : "";
}

/** A mention older than this says nothing. */
const MAX_AGE_SECONDS = 86_400;

/** Seconds, or null when the field is absent (0 stands for less than a second and is sent as 1) or makes no sense. */
export function readAge(seconds: number): number | null {
  return seconds > 0 && seconds <= MAX_AGE_SECONDS ? seconds : null;
}

/** "" when `text` is not 16 hex digits. */
export function readInstance(text: string): string {
  return INSTANCE.test(text) ? sameText(text) : "";
}

/** Undefined for 0, which stands for absent, and for what is no port. */
export function readWireguardPort(port: number): number | undefined {
  return port >= 1 && port <= 65_535 ? port : undefined;
}
