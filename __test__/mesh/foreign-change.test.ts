import { describe, expect, test } from "vitest";
import { formMesh, type Member } from "./harness/ping.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

/** Netlink tells the kernel backend nothing of others' changes, so its 5 s sweep is what finds them. */
const mendedMs = allowanceMs(6_000);

describe("wg set by somebody else", () => {
  const lab = useLab();
  let members: Member[] = [];

  const mended = async (what: string, since: number): Promise<void> => {
    const { node } = members[0] as Member;
    await until(`the log says that ${what} was mended`, mendedMs, async () => {
      const line = node.findLog(({ fields }) => fields?.msg === "foreign change mended", since);
      return line?.text.includes(what) === true;
    });
  };

  test("that removes a peer is noticed, logged and undone", async () => {
    members = await formMesh([lab.addNode("first"), lab.addNode("second")]);
    const [{ node }, other] = members as [Member, Member];
    const since = node.log.length;
    const { code } = await node.exec(["wg", "set", "wg0", "peer", other.status.pubkey, "remove"]);
    expect(code).toBe(0);
    await mended("missing peer", since);
    await node.pingUntilAnswered(other.status.mesh_ip, allowanceMs(2_000));
  });

  test("that moves a peer's networks is noticed, logged and undone", async () => {
    const [{ node }, other] = members as [Member, Member];
    const since = node.log.length;
    const { pubkey, mesh_ip } = other.status;
    await node.exec(["wg", "set", "wg0", "peer", pubkey, "allowed-ips", "198.51.100.0/24"]);
    await mended("allowed IPs", since);
    const [peer] = (await node.wgPeers()) ?? [];
    expect(peer?.allowedIps).toContain(`${mesh_ip}/32`);
    expect(peer?.allowedIps).not.toContain("198.51.100.0/24");
  });

  test("that gives a peer another preshared key is noticed, logged and undone", async () => {
    const [{ node }, other] = members as [Member, Member];
    const keys = async (): Promise<string> =>
      (await node.exec(["wg", "show", "wg0", "preshared-keys"])).stdout;
    const before = await keys();
    expect(before).not.toContain("(none)");
    const key = Buffer.alloc(32, 5).toString("base64");
    const since = node.log.length;
    const change = `echo ${key} | wg set wg0 peer ${other.status.pubkey} preshared-key /dev/stdin`;
    expect((await node.exec(["sh", "-c", change])).code).toBe(0);
    await mended("preshared key", since);
    expect(await keys()).toBe(before);
    expect(node.log.slice(since).filter(({ text }) => text.includes(key))).toEqual([]);
  });

  test("that adds a peer is noticed, logged and undone", async () => {
    const [{ node }] = members as [Member];
    const since = node.log.length;
    const stranger = Buffer.alloc(32, 7).toString("base64");
    await node.exec(["wg", "set", "wg0", "peer", stranger, "allowed-ips", "198.51.100.1/32"]);
    await mended("unknown peer", since);
    expect((await node.wgPeers())?.map((peer) => peer.publicKey)).not.toContain(stranger);
  });

  test("that moves the port is noticed, logged and undone", async () => {
    const [{ node, status }, other] = members as [Member, Member];
    const since = node.log.length;
    await node.exec(["wg", "set", "wg0", "listen-port", "40000"]);
    await mended("listen port", since);
    expect((await node.exec(["wg", "show", "wg0", "listen-port"])).stdout.trim()).toBe(
      String(status.listen_port),
    );
    await node.pingUntilAnswered(other.status.mesh_ip, allowanceMs(2_000));
  });

  test("that sets a firewall mark or another key is noticed, logged and undone", async () => {
    const [{ node, status }, other] = members as [Member, Member];
    const key = Buffer.alloc(32, 9).toString("base64");
    for (const [what, change] of [
      ["fwmark 0x2a", "wg set wg0 fwmark 0x2a"],
      ["private key", `echo ${key} | wg set wg0 private-key /dev/stdin`],
    ] as const) {
      const since = node.log.length;
      const { code, stderr } = await node.exec(["sh", "-c", change]);
      expect(code, stderr).toBe(0);
      await mended(what, since);
    }
    expect((await node.exec(["wg", "show", "wg0", "fwmark"])).stdout.trim()).toBe("off");
    expect((await node.exec(["wg", "show", "wg0", "public-key"])).stdout.trim()).toBe(status.pubkey);
    await node.pingUntilAnswered(other.status.mesh_ip, allowanceMs(2_000));
  });
});
