import { describe, expect, test } from "vitest";
import { must } from "./harness/exec.ts";
import type { StatusJson } from "./harness/node.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

describe("a firewall that drops what a node is to forward", () => {
  const lab = useLab();
  const router = lab.addNode("router");
  const nft = (...commands: string[]): void => {
    for (const command of commands)
      must(["ip", "netns", "exec", router.host.namespace, "nft", ...command.split(" ")]);
  };
  const warning = async (): Promise<string | undefined> =>
    (await router.rpc<StatusJson>("daemon.status")).warnings.find((text) => text.includes("dropped by"));
  /** Has the daemon look at once: it looks whenever what it forwards changes, and each half minute. */
  const advertise = async (networks: string): Promise<void> => {
    expect((await router.client("config", "set", "advertise-routes", networks)).code).toBe(0);
  };

  test("is named in the daemon's warnings, with what lets it through, and no more once that is done", async () => {
    must(["ip", "-n", router.host.namespace, "link", "add", "lan0", "up", "type", "bridge"]);
    must(["ip", "-n", router.host.namespace, "address", "add", "192.168.77.1/24", "dev", "lan0"]);
    must(["ip", "-n", router.host.namespace, "address", "add", "192.168.78.1/24", "dev", "lan0"]);
    // As Docker sets it up, by iptables on nf_tables.
    nft(
      "add table ip filter",
      "add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }",
      "add chain ip filter DOCKER-USER",
      "add chain ip filter DOCKER",
      "add rule ip filter FORWARD counter jump DOCKER-USER",
      "add rule ip filter FORWARD oifname docker0 ct state established,related counter accept",
      "add rule ip filter FORWARD oifname docker0 counter jump DOCKER",
      "add rule ip filter FORWARD iifname docker0 oifname != docker0 counter accept",
    );
    await router.startAndWait();
    expect(await warning()).toBeUndefined();
    await advertise("192.168.77.0/24");
    const text = await until("a warning", allowanceMs(1_000), async () => (await warning()) ?? false);
    expect(text).toContain("192.168.77.0/24 is dropped by ip filter FORWARD, as Docker sets it up");
    expect(text).toContain("iptables -I DOCKER-USER -i wg0 -j ACCEPT");
    nft(
      "insert rule ip filter DOCKER-USER iifname wg0 accept",
      "insert rule ip filter DOCKER-USER oifname wg0 accept",
    );
    await advertise("192.168.77.0/24,192.168.78.0/24");
    await until("no warning", allowanceMs(1_000), async () => (await warning()) === undefined);
  });

  test("is no warning where a rule may or may not let it through", async () => {
    nft("flush chain ip filter DOCKER-USER", "insert rule ip filter FORWARD ip saddr 10.0.0.0/8 accept");
    await advertise("192.168.77.0/24");
    await until("the rules are looked at", allowanceMs(1_000), async () => (await warning()) === undefined);
    nft(
      "delete table ip filter",
      "add table inet own",
      "add chain inet own f { type filter hook forward priority 10; policy drop; }",
    );
    await advertise("192.168.78.0/24");
    const text = await until("a warning", allowanceMs(1_000), async () => (await warning()) ?? false);
    expect(text).toContain(
      "192.168.78.0/24 is dropped by inet own f: load what 'wgmesh firewall' prints, or let it through, such as by: nft insert rule inet own f iifname wg0",
    );
    await advertise("");
    await until("no warning", allowanceMs(1_000), async () => (await warning()) === undefined);
  });
});
