/** STUN behind Linux routers alone, so that it runs on a real kernel too: there WireGuard's port is asked from by a raw socket. */
import { beforeAll, describe, expect, test } from "vitest";
import type { NetReport } from "../../src/core/netReport.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { type KindName, kindOf } from "./lab/kinds.ts";
import { useInternet } from "./lab/useInternet.ts";

const internet = useInternet();

beforeAll(async () => {
  await internet.startServers({ dhtNodes: 0 });
});

describe("WireGuard's own port as STUN sees it", () => {
  test.each<KindName>(["O", "M", "R"])("behind %s", async (kind) => {
    const name = `w${kind.toLowerCase()}`;
    const site = internet.addSite(name, kind);
    const host = site.addHost(name);
    const node = internet.lab.addNode(name, { flags: [...internet.discoveryFlags, "--no-dht"] }, host);
    const { listen_port: port } = await node.startAndWait();
    const { mapping, filtering } = kindOf(kind);
    const natType = mapping === "port" ? "symmetric" : "cone";
    await until(`${name} knows its address`, allowanceMs(1_000), async () => {
      const status = await node.rpc<{ endpoint: string; nat_type: string }>("daemon.status");
      return status.endpoint === `${site.address}:${port}` && status.nat_type === natType;
    });
    const { sockets } = await node.clientJson<NetReport>("netcheck");
    const wireguard = sockets.find(({ socket }) => socket === "wireguard");
    expect(wireguard).toMatchObject({ mapping: mapping === "port" ? "dependent" : mapping, filtering });
    expect(wireguard?.mapped?.startsWith(`${site.address}:`)).toBe(true);
    // A router that draws ports at random never gives the own one; the others keep it.
    expect(wireguard?.mapped === `${site.address}:${port}`).toBe(mapping !== "port");
  });
});
