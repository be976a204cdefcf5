import { expect, test } from "vitest";
import type { Cidr, IpAddress } from "../../../src/core/types.ts";
import { ClientPeers } from "../../../src/mesh/clientPeers.ts";
import { difference } from "../../../src/mesh/difference.ts";
import { ClientBook, type ClientBookOptions } from "../../../src/peers/clients.ts";
import { actual, byKey, keyOf } from "./peers.ts";

const networks = { ipv4: "10.20.30.0/24" as Cidr, ipv6: "fd00:1:2:3::/64" as Cidr };
const bookOf = (options: Partial<ClientBookOptions> = {}): ClientBook =>
  new ClientBook({ clock: { wallMs: () => 0 }, networks, ...options });
const withIpv6 = { meshIpv6: "fd99::1" as IpAddress };
const without = { meshIpv6: null };

test("a client is an entry without endpoint or keepalive, with its addresses and a key of its own", () => {
  const book = bookOf();
  const peers = new ClientPeers(book);
  expect([peers.wanted(withIpv6), peers.networks(withIpv6)]).toEqual([[], []]);
  book.add("phone", keyOf(1));
  const entry = { publicKey: keyOf(1), endpoint: null, keepaliveSeconds: 0, presharedKey: "own" };
  const allowedIps = ["10.20.30.2/32", "fd00:1:2:3::2/128"];
  expect(peers.wanted(withIpv6)).toEqual([{ ...entry, allowedIps }]);
  expect(peers.wanted(without)).toEqual([{ ...entry, allowedIps: ["10.20.30.2/32"] }]);
  expect(peers.networks(withIpv6)).toEqual([networks.ipv4, networks.ipv6]);
  expect(peers.networks(without)).toEqual([networks.ipv4]);
  book.remove("phone");
  expect([peers.wanted(withIpv6), peers.networks(withIpv6)]).toEqual([[], []]);
});

test("one whose address is of another network is left out", () => {
  const clients = [bookOf({ networks: { ipv4: "10.9.9.0/24" as Cidr, ipv6: null } }).add("old", keyOf(1))];
  const book = bookOf({ clients });
  book.add("new", keyOf(2));
  expect(new ClientPeers(book).wanted(withIpv6).map(({ publicKey }) => publicKey)).toEqual([keyOf(2)]);
});

test("a member that announces the key of a client is none, as long as there is that client", () => {
  const book = bookOf();
  const peers = new ClientPeers(book);
  const all = [{ publicKey: keyOf(1) }, { publicKey: keyOf(2) }];
  expect(peers.others(all)).toBe(all);
  book.add("phone", keyOf(1));
  expect(peers.others(all)).toEqual([{ publicKey: keyOf(2) }]);
  book.remove("phone");
  expect(peers.others(all)).toBe(all);
});

test("its roaming is left alone, and another key by somebody else is a foreign change", () => {
  const book = bookOf();
  book.add("phone", keyOf(1));
  const wanted = new ClientPeers(book).wanted(withIpv6);
  const present = actual(1, {
    endpoint: { host: "198.51.100.9", port: 9 },
    allowedIps: wanted[0]?.allowedIps ?? [],
    keepaliveSeconds: 0,
  });
  expect(difference(wanted, [present], byKey(wanted))).toEqual({ changes: [], foreign: [] });
  const changed = difference(wanted, [{ ...present, presharedKeyChanged: true }], byKey(wanted));
  expect(changed.changes).toEqual([{ kind: "update", publicKey: keyOf(1), presharedKey: "own" }]);
  expect(changed.foreign).toEqual([{ publicKey: keyOf(1), what: "preshared key" }]);
});
