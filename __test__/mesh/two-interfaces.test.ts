import { describe, expect, test } from "vitest";
import { pingAllPairs } from "./harness/ping.ts";
import { useLab } from "./harness/useLab.ts";

describe("two interfaces of one machine, with two secrets", () => {
  const lab = useLab();
  const homeSecret = lab.newSecretFile("home");
  const workSecret = lab.newSecretFile("work");
  const home = lab.addNode("home", { secretFile: homeSecret });
  const work = lab.addNode("work", { secretFile: workSecret, iface: "wg1" });
  const both = lab.addHost("both");
  const bothHome = lab.addNode("both-home", { secretFile: homeSecret }, both);
  const bothWork = lab.addNode("both-work", { secretFile: workSecret, iface: "wg1" }, both);

  test("are two meshes side by side, the second on the next free port", async () => {
    const nodes = [home, work, bothHome, bothWork];
    home.start();
    work.start();
    const inBothHome = await bothHome.startAndWait();
    const inBothWork = await bothWork.startAndWait();
    const [inHome, inWork] = await Promise.all([home.untilRunning(), work.untilRunning()]);
    await Promise.all([
      pingAllPairs([
        { node: home, status: inHome },
        { node: bothHome, status: inBothHome },
      ]),
      pingAllPairs([
        { node: work, status: inWork },
        { node: bothWork, status: inBothWork },
      ]),
    ]);
    expect([inBothHome.listen_port, inBothWork.listen_port]).toEqual([51820, 51821]);
    for (const node of nodes) expect(await node.wgPeers()).toHaveLength(1);
  });

  test("end one by one, without touching each other", async () => {
    expect((await bothHome.stop()).code).toBe(0);
    expect(await bothHome.hasInterface()).toBe(false);
    expect(await bothWork.hasInterface()).toBe(true);
    const { mesh_ip } = await work.untilRunning();
    await bothWork.pingUntilAnswered(mesh_ip, 1_000);
  });
});
