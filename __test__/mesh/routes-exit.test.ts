import { beforeAll, describe, expect, test } from "vitest";
import { placeOf } from "../../src/mesh/exitRoutes.ts";
import { must } from "./harness/exec.ts";
import type { MeshNode, StatusJson } from "./harness/node.ts";
import { formMesh } from "./harness/ping.ts";
import { allowanceMs, isEmulated, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

/** Hosts of the Internet, as far as this lab has one. */
const far = "198.51.100.7";
const far6 = "2001:db8:7::7";

/** The kernel's first NAT rule waits for its modules: an emulated machine needs minutes for them while a mesh forms beside it. */
function loadPacketFilter(namespace: string): void {
  const rules = ["ip", "ip6"].map(
    (family) => `add table ${family} first
    add chain ${family} first out { type nat hook postrouting priority 100; }
    add rule ${family} first out oifname != "none0" masquerade
    delete table ${family} first`,
  );
  must(["ip", "netns", "exec", namespace, "nft", "-f", "-"], `${rules.join("\n")}\n`);
}

describe("an exit node", () => {
  const lab = useLab();
  const user = lab.addNode("user");
  const exit = lab.addNode("exit", { flags: ["--advertise-exit-node"] });
  const other = lab.addNode("other");
  const internet = lab.addNamespace("internet");
  const router = lab.addHost("router");
  const far18 = lab.addNamespace("far18");
  const distant = lab.addNode(
    "distant",
    {},
    { namespace: far18, folder: lab.newFolder("distant"), address: "198.18.0.2" },
  );
  const { priority } = placeOf("wg0");
  const slot = (priority - 20_000) / 4;
  let before = "";
  let exitStatus: StatusJson;

  const ip = (node: MeshNode, ...args: string[]): string => must(["ip", "-n", node.host.namespace, ...args]);
  const state = (node: MeshNode): string =>
    ["rule", "-6 rule", "route show table all", "-6 route show table all"]
      .map((what) => ip(node, ...what.split(" ")))
      .join("")
      .split("\n")
      .filter((line) => !/dev wg0|expires|10\.\d+\./.test(line))
      .join("\n");
  const ruleCount = (node: MeshNode): number =>
    `${ip(node, "rule")}${ip(node, "-6", "rule")}`.split("\n").filter((line) => line.includes("proto 111"))
      .length;
  const reaches = async (node: MeshNode, address: string): Promise<boolean> =>
    (await node.exec(["ping", "-n", "-q", "-c", "1", "-W", "1", address])).code === 0;
  const warnings = async (): Promise<string> =>
    (await user.rpc<StatusJson>("daemon.status")).warnings.join("\n");

  beforeAll(async () => {
    // Behind the exit node is a line of its own to the Internet; the others have a router that leads nowhere far.
    must([
      "ip",
      "-n",
      exit.host.namespace,
      "link",
      "add",
      "wan0",
      "type",
      "veth",
      "peer",
      "name",
      "wan0",
      "netns",
      internet,
    ]);
    for (const [namespace, v4, v6] of [
      [exit.host.namespace, "203.0.113.1/24", "2001:db8:1::1/64"],
      [internet, "203.0.113.2/24", "2001:db8:1::2/64"],
    ] as const) {
      must(["ip", "-n", namespace, "link", "set", "wan0", "up"]);
      must(["ip", "-n", namespace, "address", "add", v4, "dev", "wan0"]);
      must(["ip", "-n", namespace, "address", "add", v6, "dev", "wan0", "nodad"]);
    }
    must(["ip", "-n", internet, "address", "add", `${far}/32`, "dev", "lo"]);
    must(["ip", "-n", internet, "address", "add", `${far6}/128`, "dev", "lo", "nodad"]);
    ip(exit, "route", "add", "default", "via", "203.0.113.2");
    ip(exit, "-6", "route", "add", "default", "via", "2001:db8:1::2");
    ip(user, "route", "add", "default", "via", router.address);
    // What somebody else has there, at places like ours.
    ip(user, "rule", "add", "priority", "20500", "fwmark", "0x77", "table", "777");
    ip(user, "route", "add", "203.0.113.99/32", "via", router.address, "table", "777");
    // Beyond the router is a peer, too.
    must([
      "ip",
      "-n",
      router.namespace,
      "link",
      "add",
      "eth1",
      "up",
      "type",
      "veth",
      "peer",
      "name",
      "eth0",
      "netns",
      far18,
    ]);
    must(["ip", "-n", router.namespace, "address", "add", "198.18.0.1/24", "dev", "eth1"]);
    must(["ip", "netns", "exec", router.namespace, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1"]);
    must(["ip", "-n", far18, "link", "set", "eth0", "up"]);
    must(["ip", "-n", far18, "address", "add", "198.18.0.2/24", "dev", "eth0"]);
    must(["ip", "-n", far18, "route", "add", "default", "via", "198.18.0.1"]);
    if (isEmulated) loadPacketFilter(internet);
    const members = await formMesh([user, exit, other]);
    exitStatus = (members[1] as (typeof members)[number]).status;
  });

  test("that only offers itself changes nobody's way", async () => {
    const { mesh_ip } = exitStatus;
    await user.pingUntilAnswered(mesh_ip, allowanceMs(1_000));
    expect(await reaches(user, far)).toBe(false);
    expect(ip(user, "rule")).not.toContain("proto 111");
    expect((await user.wgPeers())?.flatMap(({ allowedIps }) => allowedIps)).not.toContain("0.0.0.0/0");
    expect(await reaches(exit, far)).toBe(true);
  });

  test("is the way to the Internet of who asks for it, both families, and of nobody else; the LAN stays", async () => {
    before = state(user);
    expect(before).toContain("20500");
    const { code, stderr } = await user.client("config", "set", "exit-node", exitStatus.pubkey.slice(0, 10));
    expect([code, stderr]).toEqual([0, ""]);
    const ms = [far, far6].map((address) => user.pingUntilAnswered(address, allowanceMs(2_000)));
    console.log(`the Internet answered after ${(await Promise.all(ms)).map(Math.round).join(" and ")} ms`);
    expect(await reaches(other, far)).toBe(false);
    for (const address of [router.address, other.host.address])
      expect(await reaches(user, address)).toBe(true);
    expect(await warnings()).not.toContain("exit node");
  });

  test("does not have wgmesh's own packets: new peers beyond the old router are reached, and the MTU stays", async () => {
    const { mesh_ip } = await distant.startAndWait("--peer", user.host.address);
    await user.pingUntilAnswered(mesh_ip, allowanceMs(3_000));
    const row = (await user.wgPeers())?.find(({ endpoint }) => endpoint.startsWith("198.18.0.2:"));
    expect(row?.latestHandshake).toBeGreaterThan(0);
    expect(ip(user, "link", "show", "wg0")).toContain(" mtu 1420 ");
    // And who asks this host at its own address is answered from there.
    const answer = must([
      "ip",
      "netns",
      "exec",
      far18,
      "ping",
      "-n",
      "-q",
      "-c",
      "1",
      "-W",
      "2",
      user.host.address,
    ]);
    expect(answer).toContain(" 0% packet loss");
  });

  test("is left at once when it takes its offer back, and taken again with it", async () => {
    expect((await exit.client("config", "set", "advertise-exit-node", "false")).code).toBe(0);
    await until("the own way is back", allowanceMs(1_000), () => ruleCount(user) === 0);
    expect(await warnings()).toContain("does not offer to be one");
    expect(must(["ip", "netns", "exec", exit.host.namespace, "nft", "list", "ruleset"])).not.toContain(
      "wgmesh",
    );
    expect((await exit.client("config", "set", "advertise-exit-node", "true")).code).toBe(0);
    await user.pingUntilAnswered(far, allowanceMs(2_000));
    expect(await warnings()).not.toContain("exit node");
  });

  test("is mended when somebody removes its rules, or the filter's", async () => {
    ip(user, "rule", "delete", "table", String(1_110_000 + slot));
    must(["ip", "netns", "exec", exit.host.namespace, "nft", "flush", "ruleset"]);
    await user.pingUntilAnswered(far, allowanceMs(8_000));
  });

  test("with no other way: nothing leaves while it does not offer, nor after a crash, and status says so", async () => {
    const hasWay = async (): Promise<boolean[]> => {
      const asked = [
        ["ip", "route", "get", far],
        ["ip", "-6", "route", "get", far6],
      ];
      return (await Promise.all(asked.map((command) => user.exec(command)))).map(({ code }) => code === 0);
    };
    const standing = async (): Promise<unknown> =>
      (await user.rpc<{ exit_node: unknown }>("daemon.status")).exit_node;
    const { pubkey } = exitStatus;
    expect((await user.client("config", "set", "exit-node-only", "true")).code).toBe(0);
    expect(await standing()).toMatchObject({ state: "active", pubkey, reason: null, only: true });
    await user.pingUntilAnswered(far, allowanceMs(1_000));
    expect((await exit.client("config", "set", "advertise-exit-node", "false")).code).toBe(0);
    await until("nothing has a way", allowanceMs(1_000), async () => !(await hasWay()).includes(true));
    const waiting = { state: "waiting", pubkey: null, reason: expect.stringContaining("does not offer") };
    expect(await standing()).toMatchObject(waiting);
    expect(await warnings()).toContain("nothing goes to the Internet");
    expect(await reaches(user, router.address)).toBe(true);
    await user.kill9();
    expect(await hasWay()).toEqual([false, false]);
    await user.startAndWait("--peer", exit.host.address, "--exit-node", pubkey, "--exit-node-only");
    expect(await hasWay()).toEqual([false, false]);
    expect((await exit.client("config", "set", "advertise-exit-node", "true")).code).toBe(0);
    await user.pingUntilAnswered(far, allowanceMs(3_000));
  });

  test("is undone by a stop, and by the next start after a kill; foreign rules and routes stay", async () => {
    await user.kill9();
    expect(ruleCount(user)).toBeGreaterThan(0);
    await user.startAndWait("--peer", exit.host.address);
    expect(ruleCount(user)).toBe(0);
    expect(state(user)).toBe(before);
    expect((await user.client("config", "set", "exit-node", exitStatus.mesh_ip)).code).toBe(0);
    await user.pingUntilAnswered(far, allowanceMs(3_000));
    expect((await user.stop()).code).toBe(0);
    expect(state(user)).toBe(before);
    await exit.kill9();
    await exit.startAndWait();
    expect((await exit.stop()).code).toBe(0);
    expect(must(["ip", "netns", "exec", exit.host.namespace, "nft", "list", "ruleset"])).toBe("");
    expect(
      must([
        "ip",
        "netns",
        "exec",
        exit.host.namespace,
        "sysctl",
        "-n",
        "net.ipv4.conf.wan0.forwarding",
      ]).trim(),
    ).toBe("0");
  });
});
