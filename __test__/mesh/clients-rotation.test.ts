/** Clients of a node whose mesh moves to a new secret, or begins to and goes back: tunnels stay, and configurations are made anew. */
import path from "node:path";
import { describe, expect, test } from "vitest";
import { calm } from "./harness/calm.ts";
import type { MeshNode, StatusJson } from "./harness/node.ts";
import { formMesh, type Member, SteadyPing } from "./harness/ping.ts";
import { quick } from "./harness/plainClient.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

interface Added {
  readonly client: { readonly ip: string; readonly ipv6: string };
  readonly configuration: string;
}

interface Rotation {
  readonly phase: string;
  readonly peers: readonly { readonly has: boolean }[];
}

const status = (node: MeshNode): Promise<StatusJson> => node.rpc<StatusJson>("daemon.status");
const allowedIps = (text: string): string[] => /^AllowedIPs = (.*)$/m.exec(text)?.[1]?.split(", ") ?? [];

/** A gateway, another member, and two devices of which one keeps its first configuration as long as it is of use. */
function scene() {
  const lab = useLab();
  const [gateway, other] = [lab.addNode("gateway", { flags: calm }), lab.addNode("other", { flags: calm })];
  const [phone, tablet] = [lab.addNode("phone"), lab.addNode("tablet")];
  const file = path.join(lab.folder, "next.secret");
  const keys = new Map<MeshNode, string>();
  return {
    ...{ gateway, other, phone, tablet, file },
    form: async (): Promise<[Member, Member]> => {
      const members = (await formMesh([gateway, other])) as [Member, Member];
      for (const device of [phone, tablet]) {
        const { configuration } = await gateway.clientJson<Added>("client", "add", device.name);
        keys.set(device, /^PrivateKey = .*$/m.exec(configuration)?.[0] ?? "");
        await quick(device, configuration);
        await device.pingUntilAnswered(members[1].status.mesh_ip, allowanceMs(2_000));
      }
      return members;
    },
    show: async (device: MeshNode): Promise<string> =>
      (await gateway.clientJson<Added>("client", "show", device.name)).configuration,
    /** What the owner of the device does with what `client show` prints. */
    take: (device: MeshNode, shown: string): Promise<void> =>
      quick(device, shown.replace(/^# PrivateKey = .*$/m, keys.get(device) ?? "")),
    /** Both nodes have the new secret, and know it of each other. What the first command says to its user. */
    begin: async (): Promise<string> => {
      const { code, stderr } = await gateway.client("rotate-secret", "--grace", "1h", "--output", file);
      expect(code).toBe(0);
      const phaseOf = async (node: MeshNode) => node.rpc<Rotation>("rotation.get");
      await until(
        "it is announced",
        allowanceMs(5_000),
        async () => (await phaseOf(other)).phase === "announced",
      );
      await other.clientJson("rotate-secret", "--accept", "--secret-file", file);
      await until("both know that both have it", allowanceMs(15_000), async () => {
        const all = await Promise.all([gateway, other].map(phaseOf));
        return all.every(({ peers }) => peers.every(({ has }) => has));
      });
      return stderr;
    },
  };
}

describe("clients of a mesh that moves to a new secret", () => {
  const { gateway, other, phone, tablet, file, form, show, take, begin } = scene();
  let members: [Member, Member];
  let ping: SteadyPing;

  test("keep their tunnel while both count, and their gateway says that they need new configurations", async () => {
    members = await form();
    ping = new SteadyPing(phone, members[1].status.mesh_ip, 20);
    const before = allowedIps(await show(tablet));
    const said = await begin();
    expect(said).toMatch(
      /client of this node \(phone, tablet\) a new configuration: wgmesh client show NAME; now/,
    );
    expect((await status(gateway)).warnings.join()).toContain(
      "Give 2 clients of this node a new configuration",
    );
    expect((await status(other)).warnings.join()).not.toContain("client");
    const both = await show(tablet);
    expect(allowedIps(both)).toEqual(expect.arrayContaining(before));
    expect(allowedIps(both).length).toBeGreaterThan(before.length);
    await take(tablet, both);
    await tablet.pingUntilAnswered(members[1].status.mesh_ip, allowanceMs(2_000));
  });

  test("lose nothing when it is completed, and a new configuration leads to the new addresses", async () => {
    const { stderr } = await gateway.client("rotate-secret", "--complete");
    expect(stderr).toMatch(
      /\(phone, tablet\) a new configuration: wgmesh client show NAME; with the present one/,
    );
    await other.clientJson("rotate-secret", "--complete");
    expect((await status(gateway)).warnings.join()).toContain(
      "It has 2 clients to be given a new configuration",
    );
    const { mesh_ip, mesh_ipv6 } = await status(other);
    expect(mesh_ip).not.toBe(members[1].status.mesh_ip);
    for (const address of [mesh_ip, mesh_ipv6]) await tablet.pingUntilAnswered(address, allowanceMs(5_000));
    const { sent, lost } = await ping.finish();
    expect(sent).toBeGreaterThan(50);
    expect(lost).toEqual([]);
  });

  test("once the nodes are restarted with the new secret the old configuration leads nowhere, the new one does", async () => {
    for (const node of [other, gateway]) {
      await node.stop();
      await node.startAndWait("--secret-file", file);
    }
    const { mesh_ip } = await status(other);
    await gateway.pingUntilAnswered(mesh_ip, allowanceMs(5_000));
    const old = members[1].status.mesh_ip;
    expect((await phone.exec(["ping", "-n", "-c", "1", "-W", "1", old])).code).not.toBe(0);
    expect((await phone.exec(["ping", "-n", "-c", "1", "-W", "1", mesh_ip])).code).not.toBe(0);
    await take(phone, await show(phone));
    await phone.pingUntilAnswered(mesh_ip, allowanceMs(5_000));
    await take(tablet, await show(tablet));
    await tablet.pingUntilAnswered(mesh_ip, allowanceMs(5_000));
    expect((await status(gateway)).warnings.join()).not.toContain("client");
  });
});

describe("clients of a mesh that goes back to its secret", () => {
  const { gateway, other, phone, form, show, begin } = scene();

  test("lose nothing, and need nothing new", async () => {
    const members = await form();
    const before = await show(phone);
    const ping = new SteadyPing(phone, members[1].status.mesh_ip, 20);
    await begin();
    const { code, stderr } = await gateway.client("rotate-secret", "--abort");
    expect([code, stderr]).toEqual([0, ""]);
    await until(
      "the other goes back",
      allowanceMs(5_000),
      async () => (await other.rpc<Rotation>("rotation.get")).phase === "idle",
    );
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const { sent, lost } = await ping.finish();
    expect(sent).toBeGreaterThan(50);
    expect(lost).toEqual([]);
    expect(await show(phone)).toBe(before);
  });
});
