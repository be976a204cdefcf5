/**
 * What an import changes, in lines a person reads. Pure.
 */

import { decodePeerCache } from "../peers/cacheFile.ts";
import type { Client } from "../peers/clients.ts";
import { decodeClients } from "../peers/clientsFile.ts";

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

/** Clients that go, come, and have another key or other addresses. What is there may be broken: then all of them come. */
export function clientChanges(before: string, after: string): string[] {
  return changesOf(clientsOf(before), clientsOf(after), clientText);
}

/** Peers that go, come, and have other addresses. `nowMs`: entries over a day old do not count, as when a node reads them. */
export function peerChanges(before: string, after: string, nowMs: number): string[] {
  return changesOf(peersOf(before, nowMs), peersOf(after, nowMs), peerText);
}

function changesOf<T>(
  old: ReadonlyMap<string, T>,
  fresh: ReadonlyMap<string, T>,
  textOf: (entry: T) => string,
): string[] {
  const lines: string[] = [];
  for (const [key, entry] of old) if (!fresh.has(key)) lines.push(`- ${textOf(entry)}`);
  for (const [key, entry] of fresh) {
    const known = old.get(key);
    if (known === undefined) lines.push(`+ ${textOf(entry)}`);
    else if (textOf(known) !== textOf(entry)) lines.push(`~ ${textOf(known)} becomes ${textOf(entry)}`);
  }
  return lines;
}

function clientsOf(text: string): Map<string, Client> {
  try {
    return new Map(decodeClients(text).clients.map((client) => [client.name, client]));
  } catch {
    return new Map();
  }
}

const clientText = ({ name, publicKey, ip, ipv6 }: Client): string =>
  [name, publicKey, ip, ipv6].filter(Boolean).join(" ");

function peersOf(text: string, nowMs: number): Map<string, Cached> {
  return new Map(decodePeerCache(text, nowMs).sightings.map((peer) => [peer.publicKey, peer]));
}

const peerText = ({ publicKey, hostname, meshIp }: Cached): string =>
  [publicKey, hostname, meshIp].filter(Boolean).join(" ");
