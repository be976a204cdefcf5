/** What other programs do to the interface itself, by `ip`, and how the running daemon mends it. */
import { beforeAll, describe, expect, test } from "vitest";
import type { LogLine, MeshNode, StatusJson } from "./harness/node.ts";
import { formMesh, type Member, pingAllPairs } from "./harness/ping.ts";
import { allowanceMs, delay, nowMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const network = "192.168.77.0/24";
/** Netlink tells at once; what it tells is gathered for some milliseconds. */
const mendedMs = allowanceMs(1_000);
const pingedMs = allowanceMs(2_000);

/** Lines of `ip`, all of one process: seldom is anything mended between them. */
async function ip(node: MeshNode, ...lines: string[]): Promise<string> {
  const { code, stdout, stderr } = await node.exec(["ip", "-d", "-batch", "-"], { input: lines.join("\n") });
  expect(code, `${lines.join("; ")}: ${stderr}`).toBe(0);
  return stdout;
}

/** All of the lines, though the daemon may mend what the first of them did before the second: not each time. */
async function harm(node: MeshNode, lines: readonly string[]): Promise<void> {
  await until(lines.join("; "), allowanceMs(3_000), async () => {
    return (await node.exec(["ip", "-batch", "-"], { input: lines.join("\n") })).code === 0;
  });
}

/** Gives the name to a link of another kind: the daemon may be faster, but not each time. */
async function occupy(node: MeshNode): Promise<void> {
  await until("the name is taken by another link", allowanceMs(3_000), async () => {
    const lines = "link del wg0\nlink add wg0 type bridge\n";
    return (await node.exec(["ip", "-force", "-batch", "-"], { input: lines })).code === 0;
  });
}

/** All that the daemon sets of the link: flags, MTU, addresses, routes. */
async function interfaceState(node: MeshNode): Promise<unknown> {
  const json = async (line: string) => JSON.parse((await node.exec(["ip", "-j", ...line.split(" ")])).stdout);
  const [link] = await json("addr show dev wg0");
  const routes = [...(await json("-4 route show dev wg0")), ...(await json("-6 route show dev wg0"))];
  const ours = (text: string): boolean => !/^(fe80|ff00|multicast)/.test(text);
  return {
    up: link.flags.includes("UP"),
    mtu: link.mtu,
    addresses: (link.addr_info as { local: string; prefixlen: number }[])
      .map(({ local, prefixlen }) => `${local}/${prefixlen}`)
      .filter(ours)
      .sort(),
    routes: routes
      .map((route) => `${route.dst} ${route.protocol}`)
      .filter(ours)
      .sort(),
  };
}

/** All that was found, in every line of that message since then. */
function foundIn(node: MeshNode, since: number, message: string): string[] {
  const lines = node.log.slice(since).filter(({ fields }) => fields?.msg === message);
  return lines.flatMap(({ fields }) => (fields?.found ?? []) as string[]);
}

async function untilMadeAnew(node: MeshNode, since: number): Promise<LogLine> {
  return until("the interface is made anew", allowanceMs(3_000), () =>
    node.findLog(({ fields }) => fields?.msg === "interface made anew", since),
  );
}

describe("the interface of a running node", () => {
  const lab = useLab();
  const first = lab.addNode("first");
  const second = lab.addNode("second", { flags: ["--advertise-routes", network] });
  let members: Member[] = [];
  let probePort = 0;

  beforeAll(async () => {
    members = await formMesh([first, second]);
    const facts = await first.clientJson<{ probe_port: number }>("status", "--secret-file", lab.secretFile);
    probePort = facts.probe_port;
    await until("the network is routed", mendedMs, async () =>
      (await ip(first, `route show ${network}`)).includes("wg0"),
    );
  });

  const memberOf = (node: MeshNode): Member => members.find((member) => member.node === node) as Member;
  const status = (node: MeshNode): Promise<StatusJson> => node.rpc<StatusJson>("daemon.status");

  // Half of them on either node: the log holds back what repeats more than ten times a minute.
  test.each<[what: string, node: MeshNode, lines: (own: StatusJson) => string[], found: RegExp[]]>([
    [
      "an address removed",
      first,
      (own) => [`addr del ${own.mesh_ip}/16 dev wg0`],
      [/^missing address 10\.\S+\/16$/],
    ],
    [
      "all addresses flushed",
      second,
      () => ["addr flush dev wg0"],
      [/^missing address 10\.\S+\/16$/, /^missing address fd\S+\/64$/],
    ],
    [
      "the prefix of an address changed",
      first,
      (own) => [`addr del ${own.mesh_ip}/16 dev wg0`, `addr add ${own.mesh_ip}/24 dev wg0`],
      [/there is address 10\.\S+\/24$/],
    ],
    [
      "an IPv6 address given another prefix",
      second,
      (own) => [`addr del ${own.mesh_ipv6}/64 dev wg0`, `addr add ${own.mesh_ipv6}/48 dev wg0 nodad`],
      [/there is address fd\S+\/48$/],
    ],
    [
      "a second prefix for an address",
      second,
      (own) => [`addr add ${own.mesh_ip}/24 dev wg0`],
      [/^address 10\.\S+\/24$/],
    ],
    [
      "the link set down",
      first,
      () => ["link set wg0 down"],
      [/^link down$/, /^missing route 192\.168\.77\.0\/24$/],
    ],
    ["another MTU", second, () => ["link set wg0 mtu 1300"], [/^MTU 1300$/]],
    ["an MTU too small for IPv6", second, () => ["link set wg0 mtu 1000"], [/^MTU 1000$/]],
    [
      "a route of ours deleted",
      first,
      () => [`route del ${network}`],
      [/^missing route 192\.168\.77\.0\/24$/],
    ],
    [
      "the route of the mesh deleted",
      first,
      (own) => [`route del ${own.mesh_ip.replace(/\.\d+\.\d+$/, ".0.0/16")} dev wg0`],
      [/^missing route of address 10\.\S+\/16$/],
    ],
  ])(
    "%s: mended, said in the log, and the tunnel carries packets again",
    async (what, node, lines, expected) => {
      const before = await interfaceState(node);
      const { interface_index } = await status(node);
      const since = node.log.length;
      await harm(node, lines(memberOf(node).status));
      const doneMs = nowMs();
      const line = await until(`${what} is mended`, mendedMs, () =>
        node.findLog(({ fields }) => fields?.msg === "foreign change mended", since),
      );
      await pingAllPairs(members, 2_000);
      await until("everything is as before", mendedMs, async () => {
        return JSON.stringify(await interfaceState(node)) === JSON.stringify(before);
      });
      console.log(`${what}: mended ${Math.round(line.atMs - doneMs)} ms after the command had ended`);
      expect(line.fields?.level).toBe("warn");
      const found = foundIn(node, since, "foreign change mended");
      for (const part of expected) expect(found).toContainEqual(expect.stringMatching(part));
      // What a slow kernel does in several moments has a line for each, but nothing is told twice; a flush by ip(8) goes on until
      // it finds nothing more, and so may take away what is back already.
      if (!what.includes("flushed")) expect(new Set(found).size).toBe(found.length);
      expect((await status(node)).interface_index).toBe(interface_index);
    },
  );

  test("deleted: made anew with the same key, port, addresses, peers and routes, and the tunnels come back", async () => {
    const before = { state: await interfaceState(first), status: await status(first) };
    const since = first.log.length;
    await ip(first, "link del wg0");
    const deletedMs = nowMs();
    await untilMadeAnew(first, since);
    await first.pingUntilAnswered(members[1]?.status.mesh_ip ?? "", pingedMs);
    console.log(`deleted: the first ping was answered after ${Math.round(nowMs() - deletedMs)} ms`);
    await pingAllPairs(members, 2_000);
    const after = await status(first);
    expect(after.interface_index).not.toBe(before.status.interface_index);
    const { pid, pubkey, listen_port, mesh_ip, mesh_ipv6 } = before.status;
    expect(after).toMatchObject({ state: "running", pid, pubkey, listen_port, mesh_ip, mesh_ipv6 });
    await until("routes and addresses are as before", mendedMs, async () => {
      return JSON.stringify(await interfaceState(first)) === JSON.stringify(before.state);
    });
    expect(foundIn(first, since, "interface made anew")).toEqual([
      expect.stringMatching(/^interface deleted/),
    ]);
    expect(foundIn(first, since, "foreign change mended")).toEqual([]);
    expect((await first.wgPeers())?.map(({ publicKey }) => publicKey)).toEqual([members[1]?.status.pubkey]);
  });

  test("its probe listener answers peers again, by both families", async () => {
    const program = `
      const [port, ...hosts] = process.argv.slice(1);
      for (const host of hosts) {
        const socket = require("node:net").connect({ host, port: Number(port) });
        socket.on("data", (data) => { process.stdout.write(data); socket.destroy(); });
        socket.on("error", (error) => { console.error(error.message); process.exitCode = 1; });
        socket.write("ping\\n");
      }`;
    const { mesh_ip, mesh_ipv6 } = memberOf(first).status;
    const args = [String(probePort), mesh_ip, mesh_ipv6];
    const { code, stdout, stderr } = await second.exec([process.execPath, "-e", program, ...args]);
    expect(stderr).toBe("");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "pong\npong\n" });
  });

  test("deleted on both ends at the same moment: the tunnel comes back", async () => {
    const since = members.map(({ node }) => node.log.length);
    await Promise.all(members.map(({ node }) => ip(node, "link del wg0")));
    await Promise.all(members.map(({ node }, index) => untilMadeAnew(node, since[index] ?? 0)));
    await pingAllPairs(members, 5_000);
    await until("the second forwards to the network it advertises again", mendedMs, async () => {
      const { stdout } = await second.exec(["cat", "/proc/sys/net/ipv4/conf/wg0/forwarding"]);
      return stdout === "1\n";
    });
  });

  test("renamed: made anew under its name, the renamed one is removed", async () => {
    const since = first.log.length;
    await ip(first, "link set wg0 down", "link set wg0 name foreign0");
    await untilMadeAnew(first, since);
    await pingAllPairs(members, 5_000);
    expect((await first.exec(["ip", "link", "show", "dev", "foreign0"])).code).not.toBe(0);
  });

  test("its name taken by a link of another kind: discovery goes on, that link stays, and it comes back after it", async () => {
    const since = first.log.length;
    await occupy(first);
    await until("the status tells", allowanceMs(2_000), async () => {
      const { warnings } = await first.rpc<{ warnings: string[] }>("daemon.status");
      return warnings.some((warning) => warning.includes("link of another program (bridge)"));
    });
    const third = lab.addNode("third");
    const newcomer = await third.startAndWait();
    await until("the newcomer is found meanwhile", allowanceMs(3_000), async () => {
      const { peers } = await first.rpc<{ peers: { pubkey: string }[] }>("peers.list");
      return peers.some(({ pubkey }) => pubkey === newcomer.pubkey);
    });
    expect(await ip(first, "link show wg0")).toContain("bridge");
    await ip(first, "link del wg0");
    await untilMadeAnew(first, since);
    members.push({ node: third, status: newcomer });
    await pingAllPairs(members, 10_000);
    await until("no warning is left of it", allowanceMs(2_000), async () => {
      const { failing } = await first.rpc<{ failing: unknown[] }>("daemon.status");
      return failing.length === 0;
    });
  });

  test("deleted again and again: pauses, a warning in the status, no hot loop, and in the end it is back", async () => {
    const since = first.log.length;
    const times = (): number => foundIn(first, since, "interface made anew").length;
    const status = () => first.rpc<{ state: string; warnings: string[] }>("daemon.status");
    const contested = /another program works against wgmesh: wg0 had to be mended \d+ times in a row/;
    await until("the status tells of it", allowanceMs(5_000), async () => {
      await first.exec(["ip", "link", "del", "wg0"]);
      return (await status()).warnings.some((warning) => contested.test(warning));
    });
    const [before, endMs] = [times(), nowMs() + 3_000];
    while (nowMs() < endMs) {
      await first.exec(["ip", "link", "del", "wg0"]);
      await delay(20);
    }
    // Pauses of 1 and 2 s; and one mending may have been under way.
    expect(times() - before).toBeLessThanOrEqual(3);
    expect((await status()).state).toBe("running");
    await pingAllPairs(members, 10_000);
  });

  test("and at the end everything of it is removed, a stranger of its name excepted", async () => {
    expect((await first.stop()).code).toBe(0);
    expect(await first.hasInterface()).toBe(false);
    expect(first.leftovers()).toEqual([]);
    await occupy(second);
    await until("the second has noticed", allowanceMs(2_000), async () => {
      const { warnings } = await second.rpc<{ warnings: string[] }>("daemon.status");
      return warnings.some((warning) => warning.includes("another program"));
    });
    expect((await second.stop()).code).toBe(0);
    expect(await ip(second, "link show wg0")).toContain("bridge");
    expect(second.leftovers()).toEqual([]);
  });
});
