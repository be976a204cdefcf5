import { expect, test } from "vitest";
import { LocalNode, NOTHING_LEARNED, ownEndpoint, ownLanEndpoint } from "../../../src/peers/localNode.ts";
import { ip, keyOf } from "../support/announcements.ts";

const initial = {
  ...NOTHING_LEARNED,
  publicKey: keyOf(1),
  hostname: "node-a",
  meshIp: ip("10.8.0.1"),
  meshIpv6: null,
  wireguardPort: 51820,
  natType: "",
  instance: "0123456789abcdef",
} as const;

test("an update is seen whole, and earlier snapshots stay as they were", () => {
  const node = new LocalNode(initial);
  const before = node.snapshot;
  const seen: unknown[] = [];
  const stop = node.subscribe((snapshot) => seen.push(snapshot));
  node.update({ externalHost: ip("203.0.113.9"), natType: "cone" });
  expect(seen).toEqual([{ ...initial, externalHost: "203.0.113.9", natType: "cone" }]);
  expect(seen[0]).toBe(node.snapshot);
  expect(before).toEqual(initial);
  expect(Object.isFrozen(node.snapshot)).toBe(true);
  stop();
  node.update({ natType: "unknown" });
  expect(seen).toHaveLength(1);
});

test("the own endpoint is unspecified until learned", () => {
  const node = new LocalNode(initial);
  expect(ownEndpoint(node.snapshot)).toEqual({ host: "0.0.0.0", port: 51820 });
  node.update({ externalHost: ip("2001:db8::1") });
  expect(ownEndpoint(node.snapshot)).toEqual({ host: "2001:db8::1", port: 51820 });
});

test("a NAT's port goes with the external host, and never to the LAN", () => {
  const node = new LocalNode(initial);
  node.update({ externalWireguardPort: 40_000 });
  expect(ownEndpoint(node.snapshot)).toEqual({ host: "0.0.0.0", port: 51820 });
  node.update({ externalHost: ip("203.0.113.9") });
  expect(ownEndpoint(node.snapshot)).toEqual({ host: "203.0.113.9", port: 40_000 });
  expect(ownLanEndpoint(node.snapshot)).toEqual({ host: "203.0.113.9", port: 51820 });
});
