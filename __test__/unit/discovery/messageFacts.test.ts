import { expect, test } from "vitest";
import type { Endpoint } from "../../../src/core/types.ts";
import type { ReceivedAnnouncement } from "../../../src/discovery/inbound.ts";
import { isOnLan, whoIsAt } from "../../../src/discovery/messageFacts.ts";
import { mergeSighting } from "../../../src/peers/merge.ts";
import { testKey } from "./memoryMesh.ts";

const at = (host: string, port: number): Endpoint => ({ host, port });

test("an address belongs to the peer that proved to be there, and to no other", () => {
  const peer = (name: string, controlEndpoint: Endpoint, proven: boolean) =>
    mergeSighting(null, { publicKey: testKey(name), method: "dht", controlEndpoint, proven }, 1_000);
  const peers = [
    peer("proven", at("192.0.2.1", 5), true),
    peer("not proven", at("192.0.2.2", 5), false),
    peer("elsewhere", at("192.0.2.3", 6), true),
  ];
  expect(whoIsAt(at("192.0.2.1", 5), peers)).toBe(testKey("proven"));
  expect(whoIsAt(at("192.0.2.2", 5), peers)).toBeNull();
  expect(whoIsAt(at("192.0.2.3", 5), peers)).toBeNull();
});

test("a peer of the LAN is where it proves to be: at its address, or where it answers in a network of ours", () => {
  const endpoint = at("192.0.2.1", 51_820);
  const known = (method: "lan" | "dht") =>
    mergeSighting(null, { publicKey: testKey("peer"), method, endpoint }, 1_000);
  const underlay = { isAdjacent: (host: string): boolean => host.startsWith("192.0.2.") };
  const says = (host: string, type: "HELLO" | "REPLY", proven = true): ReceivedAnnouncement =>
    ({ from: at(host, 5), type, proven }) as ReceivedAnnouncement;
  expect(isOnLan(known("lan"), says("192.0.2.1", "HELLO"), underlay)).toBe(true);
  expect(isOnLan(known("lan"), says("192.0.2.9", "REPLY"), underlay)).toBe(true);
  // Where a datagram comes from, anybody can forge; what comes back shows it.
  expect(isOnLan(known("lan"), says("192.0.2.9", "HELLO"), underlay)).toBe(false);
  expect(isOnLan(known("lan"), says("192.0.2.9", "REPLY", false), underlay)).toBe(false);
  expect(isOnLan(known("lan"), says("198.51.100.9", "REPLY"), underlay)).toBe(false);
  expect(isOnLan(known("dht"), says("192.0.2.9", "REPLY"), underlay)).toBe(false);
  expect(isOnLan(undefined, says("192.0.2.9", "REPLY"), underlay)).toBe(false);
});
