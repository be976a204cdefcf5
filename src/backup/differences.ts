/**
 * What an import changes, in lines a person reads. Pure.
 */
import { decodePeerCache } from "../peers/cacheFile.ts";

type Cached = ReturnType<typeof decodePeerCache>["sightings"][number];

/** Lines that go (`-`) and come (`+`); order does not count in files of settings, nor do comments and blank lines. */
export function lineChanges(before: string, after: string): string[] {
  const [old, fresh] = [linesOf(before), linesOf(after)];
  return [
    ...[...old].filter((line) => !fresh.has(line)).map((line) => `- ${line}`),
    ...[...fresh].filter((line) => !old.has(line)).map((line) => `+ ${line}`),
  ];
}

function linesOf(text: string): Set<string> {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  return new Set(lines.filter((line) => line !== "" && !line.startsWith("#")));
}

/** Peers that go, come, and have other addresses. `nowMs`: entries over a day old do not count, as when a node reads them. */
export function peerChanges(before: string, after: string, nowMs: number): string[] {
  const [old, fresh] = [peersOf(before, nowMs), peersOf(after, nowMs)];
  const lines: string[] = [];
  for (const [key, peer] of old) if (!fresh.has(key)) lines.push(`- ${peerText(peer)}`);
  for (const [key, peer] of fresh) {
    const known = old.get(key);
    if (known === undefined) lines.push(`+ ${peerText(peer)}`);
    else if (peerText(known) !== peerText(peer)) lines.push(`~ ${peerText(known)} becomes ${peerText(peer)}`);
  }
  return lines;
}

function peersOf(text: string, nowMs: number): Map<string, Cached> {
  return new Map(decodePeerCache(text, nowMs).sightings.map((peer) => [peer.publicKey, peer]));
}

const peerText = ({ publicKey, hostname, meshIp }: Cached): string =>
  [publicKey, hostname, meshIp].filter(Boolean).join(" ");
