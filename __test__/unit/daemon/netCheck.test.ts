import { expect, test } from "vitest";
import type { NatReport } from "../../../src/core/netReport.ts";
import { type NetCheckParts, netCheck } from "../../../src/daemon/netCheck.ts";
import type { HostPath } from "../../../src/daemon/system.ts";
import type { LayerStatus } from "../../../src/discovery/seams.ts";
import type { Peer } from "../../../src/peers/peer.ts";

const path: HostPath = {
  ...{ linkName: "eth0", mtu: 1_500, type: "unicast" },
  ...{ gateway: "192.168.1.1", source: "192.168.1.2" },
};
const silent: NatReport = { nat_type: "unknown", sockets: [], servers: [] };
const server = (address: string, after_ms: number | null) => ({
  ...{ server: address, address, after_ms },
  error: after_ms === null ? "no answer" : null,
});
const layer = (name: string, state: LayerStatus["state"]): LayerStatus => ({
  ...{ name, state, detail: "the detail", lastError: state === "degraded" ? "the error" : null },
});

function check(change: Partial<NetCheckParts>) {
  return netCheck({
    system: { pathTo: (host) => (host.includes(":") ? null : path) },
    ask: async () => ({ kind: "silent" }),
    examine: async () => silent,
    node: { layers: () => [], peers: () => [] },
    ...change,
  });
}

test("a family is there when a server answered over it, absent without a route, else unknown", async () => {
  const servers = [server("198.51.100.1:3478", 5), server("[2001:db8::5]:3478", null)];
  const found = await check({ examine: async () => ({ ...silent, servers }) });
  expect([found.ipv4.state, found.ipv6.state]).toEqual(["yes", "no"]);
  expect((await check({ system: { pathTo: () => path } })).ipv6.state).toBe("unknown");
  const six = await check({
    examine: async () => ({ ...silent, servers: [server("[2001:db8::5]:3478", 5)] }),
  });
  expect([six.ipv4.state, six.ipv6.state]).toEqual(["unknown", "yes"]);
});

test("the MTU is that of the path to a server that answered", async () => {
  const system = { pathTo: (host: string) => (host === "198.51.100.7" ? { ...path, mtu: 1_400 } : path) };
  const servers = [server("198.51.100.1:3478", null), server("198.51.100.7:3478", 5)];
  expect((await check({ system, examine: async () => ({ ...silent, servers }) })).mtu).toBe(1_400);
  expect((await check({ system: { pathTo: () => null } })).mtu).toBeNull();
});

test("the DHT is as its layer says", async () => {
  const dht = async (state: LayerStatus["state"]) =>
    (await check({ node: { layers: () => [layer("dht", state)], peers: () => [] } })).dht;
  expect(await dht("running")).toEqual({ state: "yes", detail: "the detail" });
  expect(await dht("degraded")).toEqual({ state: "no", detail: "the error" });
  expect(await dht("off")).toEqual({ state: "unknown", detail: "switched off" });
  expect((await dht("starting")).state).toBe("unknown");
});

test("multicast works once a neighbour was heard; that the sockets are open proves nothing", async () => {
  const lan = async (state: LayerStatus["state"], methods: Peer["methods"][]) => {
    const peers = methods.map((entry) => ({ methods: entry }) as Peer);
    return (await check({ node: { layers: () => [layer("lan", state)], peers: () => peers } })).multicast;
  };
  expect((await lan("running", [])).state).toBe("unknown");
  expect((await lan("running", [["dht"]])).state).toBe("unknown");
  expect((await lan("running", [["dht"], ["lan", "dht"]])).state).toBe("yes");
  expect(await lan("degraded", [])).toEqual({ state: "no", detail: "the error" });
  expect((await lan("off", [])).state).toBe("unknown");
});

test("without a daemon, what it would know is unknown", async () => {
  const found = await check({ node: null });
  expect(found).toMatchObject({ daemon: false, dht: { state: "unknown" }, multicast: { state: "unknown" } });
});

test("the router is asked about port mappings", async () => {
  const asked: string[] = [];
  const ask: NetCheckParts["ask"] = async ({ host, port }) => {
    asked.push(`${host} ${port}`);
    return { kind: "refused" };
  };
  const found = await check({ ask });
  expect(asked).toEqual(["192.168.1.1 5351", "192.168.1.1 5351", "192.168.1.1 1900"]);
  expect(found).toMatchObject({ gateway: "192.168.1.1", port_mapping: { pcp: { state: "no" } } });
});
