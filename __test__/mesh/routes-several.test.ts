import { beforeAll, describe, expect, test } from "vitest";
import { type MeshNode, type StatusJson, testBackend } from "./harness/node.ts";
import { formMesh, SteadyPing } from "./harness/ping.ts";
import { allowanceMs, delay, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const network = "192.168.77.0/24";
const network6 = "fd77::/64";
const gateways = ["192.168.77.1", "fd77::1"];

describe("a network that two nodes advertise", () => {
  const lab = useLab();
  const user = lab.addNode("user");
  const flags = ["--advertise-routes", `${network},${network6}`];
  const routers = [lab.addNode("first", { flags }), lab.addNode("second", { flags })];
  const keys = new Map<MeshNode, string>();

  /** The router that has the network at the user. */
  const holderNow = async (): Promise<MeshNode | undefined> => {
    const peers = (await user.wgPeers()) ?? [];
    const holder = peers.find(({ allowedIps }) => allowedIps.includes(network));
    return routers.find((router) => keys.get(router) === holder?.publicKey);
  };
  const holder = (): Promise<MeshNode> =>
    until("one router has the network", allowanceMs(2_000), async () => (await holderNow()) ?? false);
  const other = (router: MeshNode): MeshNode => routers.find((one) => one !== router) as MeshNode;
  const routesTo = async (family: string, destination: string): Promise<string> =>
    (await user.exec(["ip", family, "route", "show", destination])).stdout;

  beforeAll(async () => {
    // The same address at both: whoever is sent the packets answers them.
    for (const router of routers) {
      for (const command of [
        "link add lan0 up type bridge",
        "address add 192.168.77.1/24 dev lan0",
        "address add fd77::1/64 dev lan0 nodad",
      ]) {
        expect((await router.exec(["ip", ...command.split(" ")])).code).toBe(0);
      }
    }
    const members = await formMesh([user, ...routers]);
    for (const { node, status } of members) keys.set(node, status.pubkey);
  });

  test("goes to one of them, in both families, by one route each with the metric of ours", async () => {
    for (const gateway of gateways) await user.pingUntilAnswered(gateway, allowanceMs(1_000));
    const peers = (await user.wgPeers()) ?? [];
    for (const one of [network, network6])
      expect(peers.filter(({ allowedIps }) => allowedIps.includes(one))).toHaveLength(1);
    expect(await routesTo("-4", network)).toMatch(
      /^192\.168\.77\.0\/24 dev wg0 proto 111 scope link metric 2000 \n$/,
    );
    expect(await routesTo("-6", network6)).toMatch(
      /^fd77::\/64 dev wg0 proto 111 metric 2000 pref medium\n$/,
    );
    const { warnings } = await user.rpc<StatusJson>("daemon.status");
    expect(warnings.join()).toContain("another peer has it");
  });

  test("is taken over within 2 s when the one that has it is killed, and stays there when it is back", async () => {
    const failing = await holder();
    const ping = new SteadyPing(user, "192.168.77.1", 100);
    await delay(1_000);
    await failing.kill9();
    // The kernel's tunnel outlives its daemon, and what works keeps the network: there the machine dies, too.
    if (testBackend === "kernel") await failing.exec(["ip", "link", "delete", failing.iface]);
    const ms = await user.pingUntilAnswered("192.168.77.1", allowanceMs(2_000));
    console.log(`the other router answered ${Math.round(ms)} ms after the first was killed`);
    expect(await holder()).toBe(other(failing));
    const { sent, lost } = await ping.finish();
    expect(sent).toBeGreaterThan(10);
    expect(lost.length).toBeLessThan(allowanceMs(2_000) / 100);
    await user.pingUntilAnswered("fd77::1", allowanceMs(1_000));

    failing.start();
    await failing.untilRunning();
    await until("the user knows the restarted router", allowanceMs(3_000), async () =>
      ((await user.wgPeers()) ?? []).some(
        ({ publicKey, latestHandshake }) => publicKey === keys.get(failing) && latestHandshake > 0,
      ),
    );
    await delay(500);
    expect(await holder()).toBe(other(failing));
  });

  test("is taken over at once when the one that has it says goodbye", async () => {
    const ending = await holder();
    expect((await ending.stop()).code).toBe(0);
    await until("the other has it", allowanceMs(500), async () => (await holderNow()) === other(ending));
    for (const gateway of gateways) await user.pingUntilAnswered(gateway, allowanceMs(500));
    await ending.startAndWait();
  });

  test("is withdrawn at once when both take it back, though they run on", async () => {
    const withdrawn = async (): Promise<boolean> =>
      `${await routesTo("-4", network)}${await routesTo("-6", network6)}` === "";
    for (const router of routers) {
      const { code, stderr } = await router.client("config", "set", "advertise-routes", "");
      expect([code, stderr]).toEqual([0, ""]);
    }
    await until("no route is left", allowanceMs(1_000), withdrawn);
    expect(await holderNow()).toBeUndefined();
  });
});
