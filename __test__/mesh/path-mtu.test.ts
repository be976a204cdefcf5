/** The MTU of the interface follows that of the paths to the peers. */
import { describe, expect, test } from "vitest";
import type { MeshNode } from "./harness/node.ts";
import { formMesh, type Member } from "./harness/ping.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

interface Mtus {
  /** In the status. */
  readonly told: number;
  /** On the link. */
  readonly set: number;
}

async function mtus(node: MeshNode): Promise<Mtus> {
  const { mtu } = await node.rpc<{ mtu: number }>("daemon.status");
  const { stdout } = await node.exec(["ip", "-j", "link", "show", "dev", "wg0"]);
  return { told: mtu, set: JSON.parse(stdout)[0].mtu };
}

async function untilMtu(node: MeshNode, mtu: number): Promise<void> {
  await until(`${node.name} has an MTU of ${mtu}`, allowanceMs(1_000), async () => {
    const { told, set } = await mtus(node);
    return told === mtu && set === mtu;
  });
}

async function ip(node: MeshNode, line: string): Promise<void> {
  const { code, stderr } = await node.exec(["ip", ...line.split(" ")]);
  expect(code, `${line}: ${stderr}`).toBe(0);
}

describe("the MTU", () => {
  const lab = useLab();
  const follower = lab.addNode("follower");
  const other = lab.addNode("other");
  const fixed = lab.addNode("fixed", { flags: ["--mtu", "1350"] });
  let members: Member[] = [];

  const expectFits = async (mtu: number): Promise<void> => {
    const target = members[1]?.status.mesh_ip ?? "";
    // IPv4 and ICMP headers take 28 bytes; "do" forbids fragments.
    const ping = (bytes: number, seconds: number) =>
      follower.exec([
        "ping",
        "-n",
        "-q",
        "-c",
        "1",
        "-w",
        `${seconds}`,
        "-M",
        "do",
        "-s",
        `${bytes - 28}`,
        target,
      ]);
    expect((await ping(mtu, 5)).code, `${mtu} bytes`).toBe(0);
    expect((await ping(mtu + 1, 1)).code, `${mtu + 1} bytes`).not.toBe(0);
  };

  test("is that of the path less 80, on Ethernet 1420", async () => {
    members = await formMesh([follower, other, fixed]);
    await untilMtu(follower, 1420);
    await expectFits(1420);
  });

  test("follows a link that takes less, in one line of the log", async () => {
    const since = follower.log.length;
    await ip(follower, "link set eth0 mtu 1450");
    await untilMtu(follower, 1370);
    await expectFits(1370);
    const lines = follower.log.slice(since).filter(({ fields }) => fields?.msg === "interface MTU set");
    expect(lines.map(({ fields }) => [fields?.from, fields?.to])).toEqual([[1420, 1370]]);
    expect(follower.findLog(({ fields }) => fields?.msg === "foreign change mended", since)).toBeUndefined();
  });

  test("is that of the worst path: a route to one peer with an MTU of its own", async () => {
    await ip(follower, `route add ${other.host.address}/32 dev eth0 mtu 1400`);
    await untilMtu(follower, 1320);
    await expectFits(1320);
  });

  test("is never below 1280", async () => {
    await ip(follower, "link set eth0 mtu 1300");
    await untilMtu(follower, 1280);
    const { stdout } = await follower.exec(["ip", "-6", "addr", "show", "dev", "wg0", "scope", "global"]);
    expect(stdout).toContain(members[0]?.status.mesh_ipv6 ?? "no address");
  });

  test("is what the operator gave, whatever the path", async () => {
    await untilMtu(fixed, 1350);
    await ip(fixed, "link set eth0 mtu 1300");
    // As long as the others took to follow.
    await untilMtu(fixed, 1350);
    await ip(fixed, "link set wg0 mtu 1400");
    await untilMtu(fixed, 1350);
  });
});
