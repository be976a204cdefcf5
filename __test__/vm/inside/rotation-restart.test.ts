/** The kernel's interface outlives its daemon: after a move to a new secret it must have nothing of the former mesh. */
import path from "node:path";
import { describe, expect, test } from "vitest";
import type { MeshNode, StatusJson } from "../../mesh/harness/node.ts";
import { formMesh, type Member, pingAllPairs } from "../../mesh/harness/ping.ts";
import { allowanceMs, until } from "../../mesh/harness/time.ts";
import { useLab } from "../../mesh/harness/useLab.ts";

interface Rotation {
  readonly phase: string;
  readonly peers: readonly { readonly has: boolean }[];
}

/** On the interface, without link-local ones. */
async function addressesOf(node: MeshNode): Promise<string[]> {
  const { stdout } = await node.exec(["ip", "-o", "address", "show", "dev", "wg0", "scope", "global"]);
  return [...stdout.matchAll(/inet6? (\S+)\//g)].map(([, address]) => address ?? "").sort();
}

const status = (node: MeshNode): Promise<StatusJson> => node.rpc<StatusJson>("daemon.status");
const ownOf = ({ mesh_ip, mesh_ipv6 }: StatusJson): string[] => [mesh_ip, mesh_ipv6].sort();

describe("a move to a new secret with the kernel's WireGuard", () => {
  const lab = useLab();
  const nodes = [lab.addNode("restarted"), lab.addNode("killed")] as const;
  const file = path.join(lab.folder, "next.secret");

  test("leaves the new mesh's addresses alone on an interface that stays over a restart, or a kill", async () => {
    const members = (await formMesh(nodes)) as [Member, Member];
    const [restarted, killed] = nodes;
    await restarted.clientJson("rotate-secret", "--grace", "1h", "--output", file);
    const isAnnounced = async (): Promise<boolean> =>
      (await killed.rpc<Rotation>("rotation.get")).phase === "announced";
    await until("the other has heard of it", allowanceMs(5_000), isAnnounced);
    await killed.clientJson("rotate-secret", "--accept", "--secret-file", file);
    for (const node of nodes) {
      await until("both have shown that they have it", allowanceMs(15_000), async () =>
        (await node.rpc<Rotation>("rotation.get")).peers.some(({ has }) => has),
      );
    }
    for (const node of nodes) await node.clientJson("rotate-secret", "--complete");
    for (const { node, status: before } of members) {
      const all = [...ownOf(before), ...ownOf(await status(node))].sort();
      expect(await addressesOf(node)).toEqual(all);
    }

    const since = restarted.log.length;
    await restarted.rpc("daemon.restart");
    await until("the successor is ready", allowanceMs(3_000), () =>
      restarted.findLog(({ text }) => text.includes("wgmeshd is ready"), since),
    );
    await killed.kill9();
    await killed.startAndWait();
    const moved = await Promise.all(nodes.map(async (node) => ({ node, status: await status(node) })));
    for (const [index, { node, status: now }] of moved.entries()) {
      const before = members[index]?.status;
      expect(now.interface_index).toBe(before?.interface_index);
      expect(now.mesh_ip).not.toBe(before?.mesh_ip);
      expect(await addressesOf(node)).toEqual(ownOf(now));
    }
    await pingAllPairs(moved, allowanceMs(5_000));
    for (const [index, { node }] of moved.entries()) {
      const [peer] = moved.filter((_, other) => other !== index).map((member) => member.status);
      const [row] = (await node.wgPeers()) ?? [];
      const wanted = [`${peer?.mesh_ip}/32`, `${peer?.mesh_ipv6}/128`].sort();
      expect([...(row?.allowedIps ?? [])].sort()).toEqual(wanted);
    }
  });
});
