/**
 * Lists of addresses a node may be reached at. Between Go nodes they are texts of any host (PROTOCOL.md section 7.3); what we send
 * datagrams to are IP literals that can be somebody's address, and few of them (weak point 10).
 */
import { ipKind } from "../core/ipKind.ts";
import { type Endpoint, endpointText, parseIp } from "../core/types.ts";
import { transitiveEndpoint } from "./endpointRules.ts";
import { splitHostPort } from "./hostPort.ts";

/** In an announcement, an OFFER and a START of ours: several links and both families, in few bytes. */
export const MAX_CANDIDATES = 8;
/** A Go introducer spreads each address to five ports. */
export const MAX_START_CANDIDATES = 16;

const SPREAD = [0, -1, 1, -2, 2] as const;

/** As an introducer cleans a list: without empty, unparsable and unspecified ones and repeats, in the order given. */
export function normaliseCandidates(texts: readonly string[]): string[] {
  const kept = texts.filter((text) => {
    const parts = splitHostPort(text);
    return parts !== null && parts.host !== "" && !isUnspecified(parts.host);
  });
  return [...new Set(kept)];
}

/** Each address with the ports beside its own, nearest first; without those whose port is none. */
export function spreadCandidates(texts: readonly string[]): string[] {
  const spread = normaliseCandidates(texts).flatMap((text) => {
    const parts = splitHostPort(text);
    const port = Number(parts?.port);
    if (parts === null || !/^\d{1,5}$/.test(parts.port)) return [];
    return SPREAD.map((step) => port + step)
      .filter((near) => near >= 1 && near <= 65_535)
      .map((near) => endpointText({ host: parts.host, port: near }));
  });
  return [...new Set(spread)];
}

/** Whether an introducer there could be reached from anywhere. A name counts as public, as with Go nodes. */
export function isPublicEndpoint(text: string): boolean {
  const parts = splitHostPort(text);
  if (parts === null || parts.host === "") return false;
  const ip = parseIp(parts.host);
  if (ip === null) return !parts.host.includes(":");
  const kind = ipKind(ip);
  return kind === "global" || kind === "carrierNat";
}

/** The endpoints among `texts` a datagram may go to, without repeats, at most `max` of them: the first ones. */
export function readCandidates(texts: readonly string[], max: number): Endpoint[] {
  const found = new Map<string, Endpoint>();
  for (const text of texts.slice(0, max * 2)) {
    const endpoint = transitiveEndpoint(text);
    if (endpoint === null || found.size >= max) continue;
    found.set(endpointText(endpoint), endpoint);
  }
  return [...found.values()];
}

function isUnspecified(host: string): boolean {
  const ip = parseIp(host);
  return ip !== null && ipKind(ip) === "unspecified";
}
