import { sameText } from "../core/texts.ts";
import { type Endpoint, endpointText, parseIp } from "../core/types.ts";
import { MAX_CANDIDATES, readCandidates } from "./candidates.ts";
import { envelopeSize, PROTOCOL } from "./envelope.ts";
import {
  checkNetworks,
  checkNodeFields,
  isHostname,
  MAX_KNOWN_PEERS,
  readAge,
  readInstance,
  readNatType,
  readWireguardPort,
} from "./fields.ts";
import { goString } from "./goJson.ts";
import type { JsonObject } from "./json.ts";
import { type KeyFilter, keyFilterBytes, readKeyFilter } from "./keyFilter.ts";
import { memberReader } from "./members.ts";
import { MAX_NOTICES, type RotationNotice, readRotations, rotationText } from "./rotation.ts";
import type { Announcement, Decoded, DecodeRejection, KnownPeer, Mention, MessageType } from "./types.ts";

/** What one datagram of ours may have: it passes every IPv6 link (1,280 bytes) and most tunnels unfragmented. */
export const MAX_DATAGRAM_BYTES = 1200;

const KNOWN_PEER_SHAPE = {
  wg_pubkey: "string",
  hostname: "string",
  mesh_ip: "string",
  mesh_ipv6: "string",
  wg_endpoint: "string",
  introducer: "boolean",
  nat_type: "string",
} as const;

const readKnownPeer = memberReader({ ...KNOWN_PEER_SHAPE, age: "integer" });
const readAnnouncement = memberReader({
  ...KNOWN_PEER_SHAPE,
  routable_networks: "strings",
  timestamp: "integer",
  known_peers: "objects",
  observed_endpoint: "string",
  instance: "string",
  wg_port: "integer",
  relays: "boolean",
  settled: "boolean",
  exit_node: "boolean",
  candidates: "strings",
  token: "bytes",
  rotation: "objects",
  have: "bytes",
});

const WRONG_JSON: DecodeRejection = Object.freeze({ ok: false, stage: "announcement_json" });

/** Decodes the payload of HELLO, REPLY or ANNOUNCE; the first field that breaks its rule refuses the whole message. */
export function decodeAnnouncement(payload: JsonObject): Decoded<Announcement> {
  const members = readAnnouncement(payload);
  if (members === undefined) return WRONG_JSON;
  const knownMembers: ReturnType<typeof readKnownPeer>[] = members.known_peers.map(readKnownPeer);
  if (knownMembers.includes(undefined)) return WRONG_JSON;

  const node = checkNodeFields(members);
  if (typeof node === "string") return badField(node);
  const networks = checkNetworks(members.routable_networks);
  if (typeof networks === "string") return badField(networks);
  if (knownMembers.length > MAX_KNOWN_PEERS) return badField("known_peers");
  const knownPeers: Mention[] = [];
  for (const [index, known] of knownMembers.entries()) {
    const decoded = known === undefined ? null : toNode(known);
    if (decoded === null) return badField(`known_peers[${index}]`);
    knownPeers.push(decoded);
  }
  return {
    ok: true,
    value: {
      // Named one by one: V8 builds such an object many times faster than one that starts with a spread.
      publicKey: node.publicKey,
      meshIp: node.meshIp,
      hostname: sameText(members.hostname),
      meshIpv6: parseIp(members.mesh_ipv6),
      wgEndpoint: members.wg_endpoint,
      introducer: members.introducer,
      networks,
      timestampSeconds: members.timestamp,
      knownPeers,
      observedEndpoint: members.observed_endpoint,
      natType: readNatType(members.nat_type),
      instance: readInstance(members.instance),
      relays: members.relays,
      settled: members.settled,
      exitNode: members.exit_node,
      wireguardPort: readWireguardPort(members.wg_port),
      candidates: readCandidates(members.candidates, MAX_CANDIDATES),
      token: members.token.length === 0 ? undefined : members.token,
      rotations: members.rotation.length === 0 ? undefined : readRotations(members.rotation),
      have: members.have.length === 0 ? undefined : readKeyFilter(members.have),
    },
  };
}

function toNode(members: NonNullable<ReturnType<typeof readKnownPeer>>): Mention | null {
  const node = checkNodeFields(members);
  if (typeof node === "string") return null;
  const ageSeconds = readAge(members.age);
  return {
    publicKey: node.publicKey,
    meshIp: node.meshIp,
    hostname: sameText(members.hostname),
    meshIpv6: parseIp(members.mesh_ipv6),
    wgEndpoint: members.wg_endpoint,
    introducer: members.introducer,
    natType: readNatType(members.nat_type),
    ageSeconds: ageSeconds ?? undefined,
  };
}

function badField(field: string): DecodeRejection {
  return { ok: false, stage: "field", field };
}

export interface EncodedAnnouncement {
  /** Payload text for sealEnvelope. */
  readonly payload: string;
  /** How many of the known peers went in, from the start of the list: the next message begins after them. */
  readonly knownPeersUsed: number;
}

/**
 * Encodes a HELLO, REPLY or ANNOUNCE with as many known peers, from the first on, as leave the sealed datagram within
 * `maxDatagramBytes` (weak point 32: the Go peer sends all of them, in fragments). The rest of the message always goes
 * in, so many networks can exceed the limit. `reservedBytes` of the payload are left for what is appended later. Members come
 * in the order of PROTOCOL.md section 4.1, ours last.
 */
export function encodeAnnouncement(
  type: MessageType,
  announcement: Announcement,
  maxDatagramBytes: number = MAX_DATAGRAM_BYTES,
  reservedBytes = 0,
): EncodedAnnouncement {
  const head = [
    `{"protocol":"${PROTOCOL}"`,
    nodeMembers(announcement),
    announcement.introducer ? `,"introducer":true` : "",
    announcement.networks.length > 0
      ? `,"routable_networks":[${announcement.networks.map(goString).join(",")}]`
      : "",
    `,"timestamp":${announcement.timestampSeconds}`,
  ].join("");
  const tail = [
    optional("observed_endpoint", announcement.observedEndpoint),
    optional("nat_type", announcement.natType),
    optional("instance", announcement.instance),
    announcement.relays === true ? `,"relays":true` : "",
    announcement.settled === true ? `,"settled":true` : "",
    announcement.exitNode === true ? `,"exit_node":true` : "",
    announcement.wireguardPort === undefined ? "" : `,"wg_port":${announcement.wireguardPort}`,
    candidateList(announcement.candidates ?? []),
    tokenMember(announcement.token),
    rotationMember(announcement.rotations ?? []),
    "}",
  ].join("");

  const known: string[] = [];
  let bytes = reservedBytes + head.length + tail.length + `,"known_peers":[]`.length;
  let have = haveMember(announcement.have);
  if (envelopeSize(type, bytes + have.length) > maxDatagramBytes) have = "";
  bytes += have.length;
  for (const peer of announcement.knownPeers.slice(0, MAX_KNOWN_PEERS)) {
    const text = knownPeerText(peer);
    bytes += text.length + (known.length === 0 ? 0 : 1);
    if (envelopeSize(type, bytes) > maxDatagramBytes) break;
    known.push(text);
  }
  const middle = known.length === 0 ? "" : `,"known_peers":[${known.join(",")}]`;
  return { payload: head + middle + have + tail, knownPeersUsed: known.length };
}

function knownPeerText(peer: Mention): string {
  const introducer = peer.introducer ? `,"introducer":true` : "";
  const age = peer.ageSeconds === undefined ? "" : `,"age":${peer.ageSeconds}`;
  return `{${nodeMembers(peer).slice(1)}${introducer}${optional("nat_type", peer.natType)}${age}}`;
}

/** The members both forms begin with, each after a comma. All of it is ASCII, so length is bytes. */
function nodeMembers(node: KnownPeer): string {
  // A receiver drops the whole message for a host name it does not like, so such a name stays at home.
  const hostname = isHostname(node.hostname) ? node.hostname : "";
  return [
    `,"wg_pubkey":${goString(node.publicKey)}`,
    optional("hostname", hostname),
    `,"mesh_ip":${goString(node.meshIp)}`,
    optional("mesh_ipv6", node.meshIpv6 ?? ""),
    `,"wg_endpoint":${goString(node.wgEndpoint)}`,
  ].join("");
}

function candidateList(candidates: readonly Endpoint[]): string {
  if (candidates.length === 0) return "";
  const texts = candidates.slice(0, MAX_CANDIDATES).map((endpoint) => goString(endpointText(endpoint)));
  return `,"candidates":[${texts.join(",")}]`;
}

function rotationMember(rotations: readonly RotationNotice[]): string {
  if (rotations.length === 0) return "";
  return `,"rotation":[${rotations.slice(0, MAX_NOTICES).map(rotationText).join(",")}]`;
}

function tokenMember(token: Uint8Array | undefined): string {
  return token === undefined || token.length === 0
    ? ""
    : `,"token":"${Buffer.from(token).toString("base64")}"`;
}

function haveMember(have: KeyFilter | undefined): string {
  return have === undefined ? "" : `,"have":"${keyFilterBytes(have).toString("base64")}"`;
}

function optional(name: string, text: string): string {
  return text === "" ? "" : `,"${name}":${goString(text)}`;
}
