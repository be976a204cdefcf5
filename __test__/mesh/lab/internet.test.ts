/** The laboratory itself: its routers are of the kinds they are meant to be. */
import { beforeAll, describe, expect, test } from "vitest";
import { run } from "../harness/exec.ts";
import type { Host } from "../harness/lab.ts";
import { type KindName, kinds } from "./kinds.ts";
import { useInternet } from "./useInternet.ts";
import { askStun } from "./verify.ts";

describe("an Internet in namespaces", () => {
  const internet = useInternet();
  const sites = new Map(
    (Object.keys(kinds) as KindName[]).map((kind) => {
      const site = internet.addSite(kind.toLowerCase(), kind);
      site.addHost(`${kind.toLowerCase()}-host`);
      return [kind, site];
    }),
  );
  const siteOf = (kind: KindName) => sites.get(kind) as NonNullable<ReturnType<typeof sites.get>>;

  beforeAll(async () => {
    await internet.startServers();
  });

  describe.concurrent("each kind", () => {
    test.each([...sites.keys()])("%s is found to be of its kind by a STUN client", async (kind) => {
      await internet.verify(siteOf(kind));
    });
  });

  test("a kind that is not what it says is noticed", async () => {
    const { hosts } = siteOf("PR");
    const impostor = { ...siteOf("PR"), hosts, kind: "FC", name: "impostor", address: siteOf("PR").address };
    await expect(internet.verify(impostor as never)).rejects.toThrow("filtering is port");
  });

  test.each(["M", "PR"] as const)("a router %s that reboots has another address", async (kind) => {
    const site = siteOf(kind);
    const server = internet.servers.stun[1]?.[0] ?? "";
    const ask = () => askStun(site.hosts[0] as Host, server, { port: 40_000, filtering: false });
    const before = await ask();
    site.reboot();
    const after = await ask();
    expect(before.seen[0][0]).not.toBe(site.address);
    expect(after.seen[0][0]).toBe(site.address);
  });

  test("private addresses lead nowhere, nor does anything lead out", async () => {
    for (const target of ["192.168.1.10", "100.64.0.10", "1.1.1.1", "2606:4700:4700::1111"]) {
      const { stderr } = await run(["ip", "-n", internet.core.namespace, "route", "get", target]);
      expect(stderr).toContain("Network is unreachable");
    }
  });
});
