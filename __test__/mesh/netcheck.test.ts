/** `wgmesh netcheck` behind real routers, asked of coturn with two addresses (RFC 5780). */
import { beforeAll, describe, expect, test } from "vitest";
import type { NetReport } from "../../src/core/netReport.ts";
import { run } from "./harness/exec.ts";
import { clientProgram } from "./harness/node.ts";
import { allowanceMs } from "./harness/time.ts";
import { type KindName, kindOf } from "./lab/kinds.ts";
import { useInternet } from "./lab/useInternet.ts";

const internet = useInternet();

beforeAll(async () => {
  await internet.startServers({ dhtNodes: 0 });
});

describe.concurrent("of a daemon", () => {
  test.each<KindName>(["O", "F", "M", "R", "FC", "AR", "PR"])(
    "behind %s: mapping and filtering of every socket",
    async (kind) => {
      const { site, node } = internet.addNode(`n${kind.toLowerCase()}`, kind);
      await node.startAndWait();
      const report = await node.clientJson<NetReport>("netcheck");
      const { mapping, filtering } = kindOf(kind);
      const of = (socket: string) => report.sockets.find((entry) => entry.socket === socket);
      expect(of("probe")).toMatchObject({ family: "ipv4", mapping, filtering });
      // A node's own sockets must not speak to second addresses, so they tell no more than that the mapping differs.
      const ownMapping = mapping === "port" ? "dependent" : mapping;
      expect(of("control")).toMatchObject({ mapping: ownMapping, filtering });
      expect(of("wireguard")).toMatchObject({ mapping: ownMapping, filtering });
      expect(of("wireguard")?.mapped?.startsWith(`${site.address}:`)).toBe(true);
      expect(report).toMatchObject({
        daemon: true,
        nat_type: mapping === "port" ? "symmetric" : "cone",
        ipv4: { state: "yes" },
        ipv6: { state: "no" },
        dht: { state: "unknown" },
        multicast: { state: "unknown" },
        mtu: 1_500,
      });
      for (const { after_ms: afterMs, error } of report.servers) {
        expect(error).toBeNull();
        expect(afterMs).toBeGreaterThanOrEqual(0);
      }
    },
  );
});

test("without a daemon, from a socket of its own; a router where nobody listens says no", async () => {
  const site = internet.addSite("alone", "M");
  const host = site.addHost("alone");
  const servers = internet.servers.stun.flatMap(([address]) => ["--stun-server", address]);
  const command = [process.execPath, clientProgram, "netcheck", "--json", ...servers];
  const { code, stdout } = await run(["ip", "netns", "exec", host.namespace, ...command], {
    limitMs: allowanceMs(15_000),
  });
  expect(code).toBe(0);
  const report = JSON.parse(stdout) as NetReport;
  expect(report).toMatchObject({ daemon: false, nat_type: "cone", gateway: "192.168.1.1" });
  expect(report.sockets).toMatchObject([{ socket: "probe", mapping: "independent", filtering: "port" }]);
  const { pcp, nat_pmp: natPmp, upnp } = report.port_mapping;
  expect([pcp.state, natPmp.state, upnp.state]).toEqual(["no", "no", "no"]);
});
