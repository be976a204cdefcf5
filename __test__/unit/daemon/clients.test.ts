import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import type { Cidr, InterfaceName, IpAddress } from "../../../src/core/types.ts";
import { type ClientParts, OwnNetworks, openClients } from "../../../src/daemon/clients.ts";
import { ClientPeers } from "../../../src/mesh/clientPeers.ts";
import { TroubleRegistry } from "../../../src/observe/troubles.ts";
import { LocalNode, NOTHING_LEARNED } from "../../../src/peers/localNode.ts";
import { keyOf } from "../mesh/peers.ts";
import { MemoryLog } from "../support/memoryLog.ts";

let folder: string;
let file: string;
let troubles: TroubleRegistry;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wgmesh-clients-"));
  file = join(folder, "wg0.clients.json");
  troubles = new TroubleRegistry(systemClock, new MemoryLog());
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const partsOf = (changes: Partial<ClientParts> = {}, clientNetwork: string | null = null): ClientParts => ({
  options: {
    stateDir: folder,
    interfaceName: "wg0" as InterfaceName,
    clientNetwork: clientNetwork as Cidr | null,
  },
  clock: systemClock,
  log: new MemoryLog(),
  troubles,
  publicKey: keyOf(1),
  meshNetworks: ["10.99.0.0/16" as Cidr],
  ipv6: true,
  holderOf: () => null,
  ...changes,
});
const texts = (): string[] => troubles.list().map(({ id, text }) => `${id}: ${text}`);

describe("the clients of a node", () => {
  test("are there after the next start, in a file for the node alone", () => {
    const book = openClients(partsOf());
    const clients = [book.add("phone", keyOf(5)), book.add("router", keyOf(6))];
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const again = openClients(partsOf());
    expect(again.list()).toEqual(clients);
    expect(again.networks).toEqual(book.networks);
    expect(readdirSync(folder)).toEqual(["wg0.clients.json"]);
    expect(() => again.add("self", keyOf(1))).toThrow("is that of this node");
    expect(texts()).toEqual([]);
  });

  test("keep their addresses when the mesh has others, until the last is gone", () => {
    const book = openClients(partsOf());
    const { networks } = book;
    book.add("phone", keyOf(5));
    // The network that follows from the key is another now, as it would overlap this mesh.
    const elsewhere = openClients(partsOf({ publicKey: keyOf(2) }));
    expect(elsewhere.networks).toEqual(networks);
    elsewhere.remove("phone");
    expect(openClients(partsOf({ publicKey: keyOf(2) })).networks).not.toEqual(networks);
  });

  test("with addresses outside of --client-network are a trouble that ends with them", () => {
    openClients(partsOf()).add("phone", keyOf(5));
    const book = openClients(partsOf({}, "10.55.0.0/24"));
    expect(book.networks.ipv4).toBe("10.55.0.0/24");
    expect(texts()).toEqual([expect.stringContaining("and phone has an address outside of it")]);
    book.remove("phone");
    expect(book.add("phone", keyOf(5)).ip).toBe("10.55.0.2");
    expect(texts()).toEqual([]);
  });

  test("in a network that overlaps the mesh are a trouble", () => {
    openClients(partsOf({}, "10.99.7.0/24"));
    expect(texts()).toEqual([expect.stringContaining("10.99.7.0/24 overlaps the mesh (10.99.0.0/16)")]);
  });

  test("of a broken file are put aside, and the node goes on without them", () => {
    writeFileSync(file, '{"version":1', { mode: 0o600 });
    const book = openClients(partsOf());
    expect(book.list()).toEqual([]);
    expect(texts()).toEqual([expect.stringMatching(/^clients-file: .* put it back and restart/)]);
    book.add("phone", keyOf(5));
    const [aside = "", ...others] = readdirSync(folder).sort().reverse();
    expect(others).toEqual(["wg0.clients.json"]);
    expect(readFileSync(join(folder, aside), "utf8")).toBe('{"version":1');
  });

  test("of a file that others can write are not believed", () => {
    openClients(partsOf()).add("phone", keyOf(5));
    chmodSync(file, 0o666);
    expect(openClients(partsOf()).list()).toEqual([]);
    expect(texts()).toEqual([expect.stringContaining("can be written by others (mode 666)")]);
  });
});

describe("the networks of a node", () => {
  test("are those of the operator, and those of clients while there are any", () => {
    const self = new LocalNode({
      ...NOTHING_LEARNED,
      publicKey: keyOf(1),
      hostname: "gateway",
      meshIp: "10.99.0.1" as IpAddress,
      meshIpv6: null,
      wireguardPort: 51_820,
      instance: "0123456789abcdef",
    });
    const clients = openClients(partsOf({ ipv6: false }, "10.55.0.0/24"));
    const routes = ["192.168.7.0/24" as Cidr];
    const clientPeers = new ClientPeers(clients);
    const own = new OwnNetworks({ routes, clients, clientPeers, self, troubles });
    const now = (): readonly string[] => self.snapshot.networks;
    expect(now()).toEqual(routes);
    clients.add("phone", keyOf(5));
    expect(now()).toEqual([...routes, "10.55.0.0/24"]);
    own.setRoutes([]);
    expect(now()).toEqual(["10.55.0.0/24"]);
    const many = Array.from({ length: 100 }, (_, index) => `172.16.${index}.0/24` as Cidr);
    own.setRoutes(many);
    expect(now()).toEqual(many);
    expect(texts()).toEqual([expect.stringContaining("this node would advertise 101, and 100 are the most")]);
    clients.remove("phone");
    expect(texts()).toEqual([]);
    own.setRoutes([]);
    expect(now()).toEqual([]);
  });
});
