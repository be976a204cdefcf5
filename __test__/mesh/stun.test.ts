/** STUN from the sockets that matter, behind real routers, answered by coturn: what `status` says is what others see (row D4). */
import { beforeAll, describe, expect, test } from "vitest";
import type { MeshNode } from "./harness/node.ts";
import { allowanceMs, delay, until } from "./harness/time.ts";
import type { KindName } from "./lab/kinds.ts";
import { stunPort } from "./lab/servers.ts";
import { useInternet } from "./lab/useInternet.ts";

interface StunStatus {
  readonly endpoint: string;
  readonly nat_type: string;
  readonly listen_port: number;
  readonly layers: readonly { readonly name: string; readonly state: string; readonly detail: string }[];
}

const internet = useInternet();
const status = (node: MeshNode): Promise<StunStatus> => node.rpc<StunStatus>("daemon.status");
const stunOf = ({ layers }: StunStatus) => layers.find(({ name }) => name === "stun");

/** The first status that satisfies `accept`. */
function untilStatus(node: MeshNode, what: string, limitMs: number, accept: (status: StunStatus) => boolean) {
  return until(`${node.name}: ${what}`, limitMs, async () => {
    const now = await status(node);
    return accept(now) && now;
  });
}

beforeAll(async () => {
  await internet.startServers({ dhtNodes: 0 });
});

describe.concurrent("the endpoint and NAT type in status", () => {
  test.each<[KindName, string]>([
    ["O", "cone"],
    ["M", "cone"],
    ["MM", "cone"],
    ["S", "cone"],
    ["PR", "cone"],
    ["R", "symmetric"],
    ["Q", "symmetric"],
  ])("behind %s: %s", async (kind, natType) => {
    const { site, node } = internet.addNode(`k${kind.toLowerCase()}`, kind);
    await node.startAndWait();
    const found = await untilStatus(node, "STUN answered", allowanceMs(1_000), (now) =>
      now.endpoint.startsWith(`${site.address}:`),
    );
    expect(found.nat_type).toBe(natType);
    expect(stunOf(found)).toMatchObject({ state: "running" });
    const port = Number(found.endpoint.split(":")[1]);
    // Linux keeps ports where it can; the userspace router never does; where the mapping changes, the own port is told.
    expect(port === found.listen_port).toBe(kind !== "PR");
  });
});

describe("behind a router that keeps no ports", () => {
  test("the port in status is the one WireGuard's own packets come from", async () => {
    const { site: far, node: bob } = internet.addNode("bob", "O");
    await bob.startAndWait();
    const { node: alice } = internet.addNode("alice", "PR", "--peer", far.address);
    await alice.startAndWait();
    const { endpoint } = await untilStatus(
      alice,
      "STUN answered",
      allowanceMs(1_000),
      (now) => stunOf(now)?.state === "running" && !now.endpoint.startsWith("0.0.0.0"),
    );
    const { pubkey } = await alice.rpc<{ pubkey: string }>("daemon.status");
    const seen = await until("bob's WireGuard heard alice", allowanceMs(2_000), async () => {
      const peer = (await bob.wgPeers())?.find(({ publicKey }) => publicKey === pubkey);
      return peer !== undefined && peer.latestHandshake > 0 && peer;
    });
    expect(seen.endpoint).toBe(endpoint);
  });

  test("a router that reboots has another address: status tells it without a restart", async () => {
    const { site, node } = internet.addNode("reboot", "PR");
    await node.startAndWait();
    const before = site.address;
    await untilStatus(node, "the first address", allowanceMs(1_000), (now) =>
      now.endpoint.startsWith(`${before}:`),
    );
    site.reboot();
    expect(site.address).not.toBe(before);
    // Nothing tells the host, so the next refresh has to.
    await untilStatus(node, "the second address", allowanceMs(26_000) / 5, (now) =>
      now.endpoint.startsWith(`${site.address}:`),
    );
  });

  test("while somebody waits for answers, a router that reboots is noticed within seconds", async () => {
    const { site: far, node: carol } = internet.addNode("carol", "O");
    await carol.startAndWait();
    const { site, node: dave } = internet.addNode("dave", "PR", "--peer", far.address, "--no-punching");
    const { mesh_ip: meshIp } = await carol.rpc<{ mesh_ip: string }>("daemon.status");
    await dave.startAndWait();
    await dave.pingUntilAnswered(meshIp, allowanceMs(2_000));
    // From here on all is calm: by itself STUN asks again in five minutes.
    await delay(27_000);
    const pings = dave.exec(["ping", "-n", "-q", "-i", "0.2", "-c", "150", meshIp]);
    site.reboot();
    // As behind a firewall of carol's: WireGuard cannot follow by itself.
    const shut = `add table inet shut; add chain inet shut in { type filter hook input priority 0; };
      add rule inet shut in ip saddr ${site.address} drop`;
    expect((await carol.exec(["nft", shut])).code).toBe(0);
    await untilStatus(dave, "the new address", allowanceMs(5_000), (now) =>
      now.endpoint.startsWith(`${site.address}:`),
    );
    await pings;
  });
});

test("servers nobody can reach: degraded, nothing waits, and the daemon says so once", async () => {
  const site = internet.addSite("lonely", "M");
  const host = site.addHost("lonely");
  const flags = ["--no-dht", "--stun-server", `198.18.0.1:${stunPort}`, "--stun-server", "stun.example"];
  const node = internet.lab.addNode("lonely", { flags }, host);
  await node.startAndWait();
  const { endpoint } = await untilStatus(
    node,
    "gave up",
    allowanceMs(3_500),
    (now) => stunOf(now)?.state === "degraded",
  );
  expect(endpoint).toBe("0.0.0.0:51820");
  expect(node.log.filter(({ text }) => text.includes("no STUN server answers"))).toHaveLength(1);
});

test("--no-stun: nothing is asked", async () => {
  const { node } = internet.addNode("silent", "O", "--no-stun");
  await node.startAndWait();
  expect(stunOf(await status(node))).toMatchObject({ state: "off" });
  await delay(2_000);
  const { stdout } = await node.exec(["cat", "/proc/net/snmp"]);
  const [names = [], values = []] = stdout
    .split("\n")
    .filter((line) => line.startsWith("Udp:"))
    .map((line) => line.split(" "));
  expect(values[names.indexOf("OutDatagrams")]).toBe("0");
});

test("a process that was stopped for a while asks again at once when it goes on", async () => {
  const { site, node } = internet.addNode("sleeper", "PR");
  await node.startAndWait();
  await untilStatus(node, "the first address", allowanceMs(1_000), (now) =>
    now.endpoint.startsWith(`${site.address}:`),
  );
  node.signal("SIGSTOP");
  await delay(10_000);
  site.reboot();
  node.signal("SIGCONT");
  await untilStatus(node, "the new address", allowanceMs(2_000), (now) =>
    now.endpoint.startsWith(`${site.address}:`),
  );
  expect(node.log.some(({ text }) => text.includes("woke from sleep"))).toBe(true);
});
