import { describe, expect, test } from "vitest";
import type { Cidr } from "../../../src/core/types.ts";
import { clientAddresses, clientNetworks, overlap } from "../../../src/peers/clientNetworks.ts";
import { type Client, ClientBook, type ClientBookOptions, MAX_CLIENTS } from "../../../src/peers/clients.ts";
import { decodeClients, encodeClients } from "../../../src/peers/clientsFile.ts";
import { keyOf } from "../support/announcements.ts";

const cidr = (text: string): Cidr => text as Cidr;
const networks = { ipv4: cidr("10.20.30.0/24"), ipv6: cidr("fd00:1:2:3::/64") };
const clock = { wallMs: () => 1_700_000_000_000 };
const bookOf = (options: Partial<ClientBookOptions> = {}): ClientBook =>
  new ClientBook({ clock, networks, ...options });

describe("the networks of a gateway", () => {
  const input = { publicKey: keyOf(1), chosen: null, meshNetworks: [], ipv6: true };

  test("follow from its key alone, and differ from key to key", () => {
    // SHA-256("wgmesh client network v1" ‖ 32 bytes of 1 ‖ 0), computed by another program.
    expect(
      clientNetworks({ ...input, publicKey: Buffer.alloc(32, 1).toString("base64") as Client["publicKey"] }),
    ).toEqual({ ipv4: "10.10.109.0/24", ipv6: "fd36:87a7:ad10:69cb::/64" });
    const many = Array.from(
      { length: 50 },
      (_, index) => clientNetworks({ ...input, publicKey: keyOf(index) }).ipv4,
    );
    expect(new Set(many).size).toBeGreaterThan(48);
    expect(many.every((network) => /^10\.\d+\.\d+\.0\/24$/.test(network))).toBe(true);
  });

  test("are others where they would overlap the mesh", () => {
    const usual = clientNetworks(input);
    const mesh = cidr(`${usual.ipv4.split(".").slice(0, 2).join(".")}.0.0/16`);
    const other = clientNetworks({ ...input, meshNetworks: [mesh] });
    expect(overlap(other.ipv4, mesh)).toBe(false);
    const beside = clientNetworks({ ...input, meshNetworks: [usual.ipv6 ?? mesh] });
    expect(beside.ipv6).not.toBe(usual.ipv6);
    const full = clientNetworks({ ...input, meshNetworks: [cidr("10.0.0.0/8")] });
    expect(full).toEqual({ ipv4: "198.19.250.0/24", ipv6: null });
  });

  test("are what the operator says, and without IPv6 where the node has none", () => {
    const chosen = clientNetworks({ ...input, chosen: cidr("192.168.7.0/28"), ipv6: false });
    expect(chosen).toEqual({ ipv4: "192.168.7.0/28", ipv6: null });
  });

  test("have hosts of the same number in both, and no broadcast address", () => {
    expect(clientAddresses(networks, 2)).toEqual({ ip: "10.20.30.2", ipv6: "fd00:1:2:3::2" });
    expect(clientAddresses(networks, 250)).toEqual({ ip: "10.20.30.250", ipv6: "fd00:1:2:3::fa" });
    expect(clientAddresses(networks, 255)).toBeNull();
    expect(clientAddresses({ ipv4: cidr("10.9.0.0/16"), ipv6: null }, 258)).toEqual({
      ip: "10.9.1.2",
      ipv6: null,
    });
  });
});

describe("the book of clients", () => {
  test("gives each the first free address, and tells", () => {
    const book = bookOf();
    const told: string[] = [];
    const end = book.subscribe(({ type, client }) => told.push(`${type} ${client.name}`));
    expect(book.add("phone", keyOf(1))).toEqual({
      name: "phone",
      publicKey: keyOf(1),
      ip: "10.20.30.2",
      ipv6: "fd00:1:2:3::2",
      addedMs: 1_700_000_000_000,
    });
    expect(book.add("router", keyOf(2)).ip).toBe("10.20.30.3");
    expect(book.remove("phone").publicKey).toBe(keyOf(1));
    expect(book.add("tablet", keyOf(1)).ip).toBe("10.20.30.2");
    end();
    book.remove("tablet");
    expect(told).toEqual(["added phone", "added router", "removed phone", "added tablet"]);
    expect(book.list().map(({ name }) => name)).toEqual(["router"]);
  });

  test("takes no name and no key twice, and none that is not one", () => {
    const book = bookOf({ holderOf: (key) => (key === keyOf(9) ? "member alpha" : null) });
    book.add("phone", keyOf(1));
    expect(() => book.add("phone", keyOf(2))).toThrow("there is a client phone already");
    expect(() => book.add("other", keyOf(1))).toThrow("is that of the client phone");
    expect(() => book.add("other", keyOf(9))).toThrow("is that of member alpha");
    expect(() => book.add("zero", Buffer.alloc(32).toString("base64") as Client["publicKey"])).toThrow(
      "none",
    );
    for (const name of ["", "-x", "a b", "a/b", "x".repeat(64), "ä"]) {
      expect(() => book.add(name, keyOf(2)), name).toThrow("is no name for a client");
    }
    expect(() => book.remove("nobody")).toThrow(
      expect.objectContaining({ code: "ERR_CLIENT", exitCode: 10, message: 'there is no client "nobody"' }),
    );
    expect(book.list()).toHaveLength(1);
  });

  test("is full at the end of the network, and at most has 250", () => {
    const small = bookOf({ networks: { ipv4: cidr("10.1.1.0/30"), ipv6: null } });
    expect(small.add("one", keyOf(1)).ip).toBe("10.1.1.2");
    expect(() => small.add("two", keyOf(2))).toThrow("the client network 10.1.1.0/30 is full");
    const large = bookOf({ networks: { ipv4: cidr("10.1.0.0/16"), ipv6: null } });
    for (let index = 0; index < MAX_CLIENTS; index += 1) large.add(`c${index}`, keyOf(index + 1));
    expect(() => large.add("more", keyOf(999))).toThrow("there are 250 clients");
  });

  test("stays as it was when it cannot be kept", () => {
    let full = false;
    const saved: number[] = [];
    const book = bookOf({
      save: (clients) => {
        if (full) throw new Error("no space left");
        saved.push(clients.length);
      },
    });
    book.add("phone", keyOf(1));
    full = true;
    const told: unknown[] = [];
    book.subscribe((event) => told.push(event));
    expect(() => book.add("tablet", keyOf(2))).toThrow("no space left");
    expect(() => book.remove("phone")).toThrow("no space left");
    expect(book.list().map(({ name }) => name)).toEqual(["phone"]);
    expect([saved, told]).toEqual([[1], []]);
  });

  test("knows whose address is of another network", () => {
    const [phone, tablet] = [
      bookOf().add("phone", keyOf(1)),
      { ...bookOf().add("tablet", keyOf(2)), ip: "10.20.31.2" },
    ];
    const book = bookOf({ clients: [phone, tablet as Client] });
    expect(book.strays().map(({ name }) => name)).toEqual(["tablet"]);
  });
});

describe("the file of clients", () => {
  const clients = (() => {
    const book = bookOf();
    book.add("phone", keyOf(1));
    book.add("router", keyOf(2));
    return book.list();
  })();
  const text = encodeClients({ networks, clients });

  test("gives back what was written", () => {
    expect(decodeClients(text)).toEqual({ networks, clients });
    const without = {
      networks: { ...networks, ipv6: null },
      clients: clients.map((each) => ({ ...each, ipv6: null })),
    };
    expect(decodeClients(encodeClients(without))).toEqual(without);
  });

  test.each([
    ["half of it", text.slice(0, 100), "JSON"],
    ["a list", "[]", "it is no object"],
    ["another version", text.replace('"version": 1', '"version": 2'), "its version is 2, not 1"],
    ["no key", text.replace(keyOf(1), "abc"), "client 1 (phone) has no public key"],
    ["a name twice", text.replace("router", "phone"), "two clients have the same name"],
    ["an address twice", text.replace("10.20.30.3", "10.20.30.2"), "two clients have the same ip"],
    ["no address", text.replace("10.20.30.3", "x"), "client 2 (router) has no IPv4 address"],
    [
      "an address of the other family",
      text.replace("10.20.30.3", "fd00::1"),
      "client 2 (router) has no IPv4 address",
    ],
    ["no network", text.replace("10.20.30.0/24", "?"), "networks has no IPv4 network"],
  ])("is refused as a whole with %s", (_, damaged, reason) => {
    expect(() => decodeClients(damaged)).toThrow(reason);
  });
});
