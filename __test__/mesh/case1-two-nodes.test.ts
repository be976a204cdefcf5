import { beforeAll, describe, expect, test } from "vitest";
import { type PeerJson, type StatusJson, testBackend } from "./harness/node.ts";
import { formMesh, type Member } from "./harness/ping.ts";
import { delay } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

/** Longer than the 5 s between two LAN announcements (PROTOCOL.md section 6.3). */
const announcementsPassMs = 6000;

describe("two nodes with one secret on one link, and a third with another", () => {
  const lab = useLab();
  const a = lab.addNode("a");
  const b = lab.addNode("b");
  const stranger = lab.addNode("stranger", { secretFile: lab.newSecretFile("other") });
  let inA: Member;
  let inB: Member;
  let strange: StatusJson;

  beforeAll(async () => {
    stranger.start();
    [inA, inB] = (await formMesh([a, b])) as [Member, Member];
    strange = await stranger.untilRunning();
  });

  test("the two answer each other's pings over IPv4 and IPv6", async () => {
    for (const [from, to] of [
      [inA, inB],
      [inB, inA],
    ] as const) {
      for (const target of [to.status.mesh_ip, to.status.mesh_ipv6]) {
        const { code, stdout } = await from.node.exec(["ping", "-n", "-c", "3", "-i", "0.1", target]);
        expect(stdout).toContain("3 received");
        expect(code).toBe(0);
      }
    }
  });

  test("wg show lists the other with a handshake of the last minute, its addresses and its endpoint", async () => {
    const peers = await a.wgPeers();
    expect(peers).toHaveLength(1);
    const [peer] = peers ?? [];
    expect(peer?.publicKey).toBe(inB.status.pubkey);
    expect(peer?.endpoint).toBe(`${b.host.address}:${inB.status.listen_port}`);
    expect([...(peer?.allowedIps ?? [])].sort()).toEqual(
      [`${inB.status.mesh_ip}/32`, `${inB.status.mesh_ipv6}/128`].sort(),
    );
    expect(Date.now() / 1000 - (peer?.latestHandshake ?? 0)).toBeLessThan(60);
  });

  test("wgmesh status --json says what the kernel and the process table say", async () => {
    const status = await a.clientJson<StatusJson>("status");
    const link = JSON.parse((await a.exec(["ip", "-json", "address", "show", "dev", "wg0"])).stdout)[0];
    const wg = (await a.exec(["wg", "show", "wg0", "dump"])).stdout.split("\n")[0]?.split("\t") ?? [];
    expect(status.state).toBe("running");
    expect(status.pid).toBe(a.pid);
    expect(status.backend).toBe(testBackend);
    expect(status.interface).toBe("wg0");
    expect(status.interface_index).toBe(link.ifindex);
    const addresses = link.addr_info
      .filter(({ scope }: { scope: string }) => scope === "global")
      .map(({ local, prefixlen }: { local: string; prefixlen: number }) => `${local}/${prefixlen}`);
    expect(addresses.sort()).toEqual([`${status.mesh_ip}/16`, `${status.mesh_ipv6}/64`].sort());
    expect([status.pubkey, String(status.listen_port)]).toEqual([wg[1], wg[2]]);
    expect(status.peers).toEqual({ total: 1, active: 1, connected: 1 });
  });

  test("wgmesh status tells a person the same", async () => {
    const { code, stdout } = await a.client("status");
    expect(code).toBe(0);
    for (const text of [inA.status.mesh_ip, inA.status.mesh_ipv6, inA.status.pubkey, "wg0", testBackend]) {
      expect(stdout).toContain(text);
    }
  });

  test("wgmesh peers list, get and count tell of the other and of nobody else", async () => {
    const { peers } = await a.clientJson<{ peers: PeerJson[] }>("peers", "list");
    expect(peers.map(({ pubkey }) => pubkey)).toEqual([inB.status.pubkey]);
    expect(peers[0]).toMatchObject({
      mesh_ip: inB.status.mesh_ip,
      mesh_ipv6: inB.status.mesh_ipv6,
      endpoint: `${b.host.address}:${inB.status.listen_port}`,
      state: "connected",
    });
    expect(peers[0]?.discovered_via).toContain("lan");
    expect(await a.clientJson<PeerJson>("peers", "get", inB.status.pubkey)).toMatchObject({
      mesh_ip: inB.status.mesh_ip,
    });
    expect(await a.clientJson("peers", "count")).toEqual({ active: 1, total: 1, dead: 0 });
    const { stdout } = await a.client("peers", "list");
    expect(stdout).toContain(inB.status.pubkey);
    expect(stdout).toContain(inB.status.mesh_ip);
    expect(stdout).not.toContain(strange.pubkey);
  });

  test("the one with the other secret never appears, and sees nobody", async () => {
    await delay(announcementsPassMs);
    expect(await stranger.clientJson("peers", "count")).toEqual({ active: 0, total: 0, dead: 0 });
    expect(await stranger.wgPeers()).toEqual([]);
    for (const node of [a, b]) {
      expect(await node.clientJson("peers", "count")).toEqual({ active: 1, total: 1, dead: 0 });
      expect((await node.client("peers", "get", strange.pubkey)).code).toBe(10);
    }
  });
});
