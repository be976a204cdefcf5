/** kill -9 at every step of the start, and between the two programs of a restart: the next start works, and nothing is left over. */
import { chmodSync, chownSync, existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import type { MeshNode } from "./harness/node.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

/** ARCHITECTURE.md, Start and stop. */
const steps =
  "lock recovery identity interface reset port addresses state up underlay routes peers discovery tasks rpc".split(
    " ",
  );
/** What the start changes on the host besides the interface. */
const flags = ["--no-dht", "--no-stun", "--advertise-routes", "198.51.100.0/24"];

const forwarding = async (node: MeshNode): Promise<string> =>
  (await node.exec(["cat", "/proc/sys/net/ipv4/conf/eth0/forwarding"])).stdout.trim();

/** Waits for a line of the log that was written since, and kills the daemon there and then. */
async function killAt(node: MeshNode, since: number, line: string): Promise<void> {
  await until(`the log says ${line}`, allowanceMs(5_000), () =>
    node.findLog(({ text }) => text.includes(line), since),
  );
  await node.kill9();
}

/** An orderly end, and what is there of a node then. */
async function expectNothingLeft(node: MeshNode): Promise<void> {
  expect(await node.stop()).toEqual({ code: 0, signal: null });
  expect(node.leftovers()).toEqual([]);
  expect(await node.hasInterface()).toBe(false);
  expect(await forwarding(node)).toBe("0");
  for (const name of ["wg0.forwarding.json", "wg0.starting", "wg0.handover.json", "wg0.child.json"])
    expect(existsSync(path.join(node.runDir, name)), name).toBe(false);
}

describe("kill -9", () => {
  const lab = useLab();

  test("after each step of the start leaves nothing that the next start trips over", async () => {
    const node = lab.addNode("killed", { flags });
    await node.exec([
      "sh",
      "-c",
      "echo 0 > /proc/sys/net/ipv4/conf/eth0/forwarding; ip route add 198.51.100.0/24 via 192.0.2.254",
    ]);
    const { pubkey, mesh_ip } = await node.startAndWait();
    await node.kill9();
    for (const step of steps) {
      const since = node.log.length;
      node.start();
      await killAt(node, since, `"step":"${step}"`);
    }
    const after = await node.startAndWait();
    expect({ pubkey: after.pubkey, mesh_ip: after.mesh_ip }).toEqual({ pubkey, mesh_ip });
    expect(after.warnings).toEqual([]);
    await until("it forwards", allowanceMs(2_000), async () => (await forwarding(node)) === "1");
    await expectNothingLeft(node);
  });

  test.each(["hands over to its successor", "wgmeshd stopped", "wgmeshd starts"])(
    "in a restart, when the log says %j, leaves a host that the next start puts right",
    async (line) => {
      const node = lab.addNode(`between${line.length}`, { flags });
      await node.exec([
        "sh",
        "-c",
        "echo 0 > /proc/sys/net/ipv4/conf/eth0/forwarding; ip route add 198.51.100.0/24 via 192.0.2.254",
      ]);
      const { pid, pubkey } = await node.startAndWait();
      await until("it forwards", allowanceMs(2_000), async () => (await forwarding(node)) === "1");
      const since = node.log.length;
      await node.rpc("daemon.restart");
      await killAt(node, since, line);
      // It was nobody's to remove.
      expect(readFileSync(path.join(node.runDir, "wg0.pid"), "utf8")).toBe(`${pid}\n`);
      // The guard of a link that was left, and the kernel with a device of the process's own, need a moment.
      await until("the interface is gone", allowanceMs(5_000), async () => {
        return line === "hands over to its successor" || !(await node.hasInterface());
      });
      const down = await node.client("down");
      expect([down.code, down.stderr]).toEqual([
        6,
        expect.stringContaining(`it names PID ${pid}, which is gone`),
      ]);
      const again = await node.startAndWait();
      expect(again.pubkey).toBe(pubkey);
      expect(
        node.findLog(({ text }) => text.includes("the run before did not end in order"), since),
      ).toBeDefined();
      await expectNothingLeft(node);
    },
  );

  test.each([
    ["a run of root's", 0],
    // As a service leaves it, whose user is another.
    ["a run of another user's", 65_534],
  ])("and no start after it: down --force puts the host right, after %s", async (_whose, owner) => {
    const only = ["--exit-node", "nobody", "--exit-node-only"];
    const node = lab.addNode(`cleared-${owner}`, { flags: [...flags, ...only] });
    await node.exec([
      "sh",
      "-c",
      "echo 0 > /proc/sys/net/ipv4/conf/eth0/forwarding; ip route add 198.51.100.0/24 via 192.0.2.254",
    ]);
    const rules = async (): Promise<string[]> =>
      (await node.exec(["ip", "rule", "show"])).stdout
        .split("\n")
        .filter((rule) => rule.includes("proto 111"));
    await node.startAndWait();
    await until("it forwards", allowanceMs(2_000), async () => (await forwarding(node)) === "1");
    await until("the Internet is shut", allowanceMs(2_000), async () => (await rules()).length > 0);
    await node.kill9();
    expect([await forwarding(node), (await rules()).length > 0]).toEqual(["1", true]);
    // Not the socket: whom a client believes beside root stands in /etc/wgmesh.
    for (const folder of [lab.folder, node.host.folder]) chmodSync(folder, 0o711);
    const left = readdirSync(node.runDir).filter((name) => !name.endsWith(".sock"));
    for (const name of ["", ...left]) chownSync(path.join(node.runDir, name), owner, owner);
    expect((await node.client("down")).code).toBe(6);
    expect(await node.client("down", "--force")).toMatchObject({
      code: 0,
      stdout: "wg0: no daemon is running; what the last one left is undone\n",
    });
    expect([await forwarding(node), await rules()]).toEqual(["0", []]);
    expect(existsSync(path.join(node.runDir, "wg0.forwarding.json"))).toBe(false);
    expect((await node.client("down", "--force")).code).toBe(6);
  });
});
