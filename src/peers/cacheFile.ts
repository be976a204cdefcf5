/**
 * The text of `<iface>-peers.json` (row E6, PROTOCOL.md section 14), in the Go peer's format. Reading and writing the
 * file is the daemon's business.
 */
import { endpointText, type IpAddress, parseCidr, parseIp, parsePublicKey } from "../core/types.ts";
import { transitiveEndpoint } from "../wire/endpointRules.ts";
import { isHostname, readNatType } from "../wire/fields.ts";
import { goString } from "../wire/goJson.ts";
import { readJson } from "../wire/json.ts";
import { memberReader } from "../wire/members.ts";
import type { Peer, Sighting } from "./peer.ts";

/** Row E6. */
export const MAX_AGE_MS = 24 * 3_600_000;

/** 1,000 peers with 100 networks each take about 5 MB, and 100,000 with none 40 MB. */
export const MAX_LENGTH = 64 * 1024 * 1024;

const readFileMembers = memberReader({ peers: "objects", updated_at: "integer", mesh: "string" });
const readPeerMembers = memberReader({
  wg_pubkey: "string",
  hostname: "string",
  mesh_ip: "string",
  mesh_ipv6: "string",
  endpoint: "string",
  introducer: "boolean",
  routable_networks: "strings",
  nat_type: "string",
  last_seen: "integer",
  proven: "boolean",
});

/**
 * The file's text for the peers that have ever spoken or shaken hands; `nowMs` is Unix time.
 *
 * @param mesh the network id of their mesh, a member of ours that other implementations pass over; "" leaves it out.
 */
export function encodePeerCache(peers: readonly Peer[], nowMs: number, mesh = ""): string {
  const entries = peers.filter((peer) => lastHeardMs(peer) > 0).map(peerText);
  const list = entries.length === 0 ? "null" : `[\n${entries.join(",\n")}\n  ]`;
  const tag = mesh === "" ? "" : `,\n  "mesh": ${goString(mesh)}`;
  return `{\n  "peers": ${list},\n  "updated_at": ${toSeconds(nowMs)}${tag}\n}`;
}

function peerText(peer: Peer): string {
  const networks = peer.networks.map((network) => `        ${goString(network)}`).join(",\n");
  const members = [
    `"wg_pubkey": ${goString(peer.publicKey)}`,
    peer.hostname === "" ? null : `"hostname": ${goString(peer.hostname)}`,
    `"mesh_ip": ${goString(peer.meshIp ?? "")}`,
    peer.meshIpv6 === null ? null : `"mesh_ipv6": ${goString(peer.meshIpv6)}`,
    `"endpoint": ${goString(peer.endpoint === null ? "" : endpointText(peer.endpoint))}`,
    peer.introducer ? `"introducer": true` : null,
    networks === "" ? null : `"routable_networks": [\n${networks}\n      ]`,
    peer.natType === "" ? null : `"nat_type": ${goString(peer.natType)}`,
    `"last_seen": ${toSeconds(lastHeardMs(peer))}`,
    // Ours; other implementations pass it over.
    peer.proven ? `"proven": true` : null,
  ];
  const lines = members.filter((member) => member !== null).map((member) => `      ${member}`);
  return `    {\n${lines.join(",\n")}\n    }`;
}

/** Unix ms of the last word or handshake; 0 for never. */
export function lastHeardMs(peer: Peer): number {
  return Math.max(peer.lastSeenMs, peer.lastHandshakeMs);
}

function toSeconds(ms: number): number {
  return Math.floor(ms / 1000);
}

export interface DecodedPeerCache {
  /** Of method `cache`; entries older than 24 h are left out. */
  readonly sightings: readonly Sighting[];
  /** The network id of the mesh they are of, "" when the file does not say. */
  readonly mesh: string;
  /** What was wrong with the file, for the log; null when all of it could be read. */
  readonly problem: string | null;
}

/**
 * Reads the file's text. Never throws: a cache is worth nothing by itself, so damage costs what is damaged and a line
 * in the log. Networks and the introducer flag are not restored, since only their owner's word counts.
 */
export function decodePeerCache(text: string, nowMs: number): DecodedPeerCache {
  const json = readJson(text, MAX_LENGTH);
  if (json === undefined) return { sightings: [], mesh: "", problem: "not JSON" };
  const file = readFileMembers(json);
  if (file === undefined) return { sightings: [], mesh: "", problem: "not a peer cache" };
  const sightings: Sighting[] = [];
  let damaged = 0;
  for (const object of file.peers) {
    const members = readPeerMembers(object);
    const sighting = members === undefined ? null : toSighting(members);
    if (sighting === null) damaged++;
    else if (nowMs - (sighting.seenAtMs ?? 0) <= MAX_AGE_MS) sightings.push(sighting);
  }
  return {
    sightings,
    mesh: file.mesh,
    problem: damaged === 0 ? null : `${damaged} of ${file.peers.length} entries are damaged`,
  };
}

function toSighting(members: NonNullable<ReturnType<typeof readPeerMembers>>): Sighting | null {
  const publicKey = parsePublicKey(members.wg_pubkey);
  const meshIp = readAddress(members.mesh_ip);
  const meshIpv6 = readAddress(members.mesh_ipv6);
  const networksAreValid = members.routable_networks.every((network) => parseCidr(network) !== null);
  if (publicKey === null || meshIp === null || meshIpv6 === null) return null;
  if (!isHostname(members.hostname) || !networksAreValid || members.last_seen < 0) return null;
  const endpoint = transitiveEndpoint(members.endpoint);
  return {
    publicKey,
    method: "cache",
    hostname: members.hostname,
    ...(meshIp === "" ? {} : { meshIp }),
    ...(meshIpv6 === "" ? {} : { meshIpv6 }),
    ...(endpoint === null ? {} : { endpoint }),
    natType: readNatType(members.nat_type),
    seenAtMs: members.last_seen * 1000,
    ...(members.proven ? { proven: true } : {}),
  };
}

/** "" for an address that is not told, null for one that cannot be. */
function readAddress(text: string): IpAddress | "" | null {
  return text === "" ? "" : parseIp(text);
}
