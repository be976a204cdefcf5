import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Cidr, IpAddress } from "../../../../src/core/types.ts";
import { ClientBook } from "../../../../src/peers/clients.ts";
import { encodeClients } from "../../../../src/peers/clientsFile.ts";
import { keyOf } from "../../mesh/peers.ts";
import { testDerivation } from "../../support/derivation.ts";
import { host, start, until } from "./nodes.ts";

const networks = { ipv4: "10.200.7.0/24" as Cidr, ipv6: "fd77::/64" as Cidr };
const wanted = ["10.200.7.2/32", "fd77::2/128"];

/** What a run before left: one client, of the key 8. */
function leaveClient(): void {
  const book = new ClientBook({ clock: { wallMs: () => 0 }, networks });
  book.add("phone", keyOf(8));
  mkdirSync(host.stateDir, { mode: 0o700 });
  writeFileSync(join(host.stateDir, "wg0.clients.json"), encodeClients({ networks, clients: book.list() }), {
    mode: 0o600,
  });
}

describe("a client", () => {
  test("of the run before is on the interface, with routes and forwarding, and others are told", async () => {
    leaveClient();
    const fake = await start();
    await until(() => fake.backend.peer(keyOf(8))?.allowedIps.join() === wanted.join());
    expect(fake.backend.keyOf(keyOf(8))).toBe("own");
    await until(() => fake.routes.list().length === 2);
    await until(() => fake.settings.read("ipv4/conf/wg0/forwarding") === "1");
    expect(fake.context?.self.snapshot.networks).toEqual([networks.ipv4, networks.ipv6]);
    expect(fake.view?.peers()).toEqual([]);
    fake.backend.meddle(keyOf(8), { lastHandshakeMs: Date.now() });
    await until(() => fake.view?.status()?.clients.connected === 1);
    expect(fake.view?.status()).toMatchObject({ clients: { count: 1 }, peers: { total: 0, connected: 0 } });
    expect(fake.log.of("foreign change mended")).toEqual([]);
    await fake.node.close();
    expect(fake.routes.list()).toEqual([]);
    expect(fake.settings.read("ipv4/conf/wg0/forwarding")).toBe("0");
  });

  test("keeps its entry from a member that announces its key, and from who takes it off the interface", async () => {
    leaveClient();
    const fake = await start();
    fake.context?.store.observe({
      publicKey: keyOf(8),
      method: "lan",
      hostname: "liar",
      meshIp: testDerivation.meshIpv4(keyOf(8), 0) as IpAddress,
      endpoint: { host: "192.0.2.5", port: 51820 },
      networks: ["192.168.9.0/24" as Cidr],
    });
    await until(() => fake.backend.peer(keyOf(8)) !== undefined);
    fake.backend.meddle(keyOf(8), null);
    fake.networkChanged();
    await until(() => fake.log.of("foreign change mended").length === 1);
    expect(fake.backend.peer(keyOf(8))).toMatchObject({ allowedIps: wanted, endpoint: null });
    expect(fake.routes.list().map(({ destination }) => destination)).not.toContain("192.168.9.0/24");
  });

  test("stays on an interface that is made anew", async () => {
    leaveClient();
    const fake = await start();
    await until(() => fake.backend.peer(keyOf(8)) !== undefined);
    const before = fake.backend;
    fake.link.delete();
    fake.networkChanged();
    await until(() => fake.backend !== before && fake.backend.peer(keyOf(8)) !== undefined);
    expect(fake.backend.keyOf(keyOf(8))).toBe("own");
  });
});
