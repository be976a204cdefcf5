import { chmodSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type { StatusJson } from "./harness/node.ts";
import { formMesh, type Member, SteadyPing } from "./harness/ping.ts";
import { allowanceMs, delay, timed, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const network = "192.168.77.0/24";
const gateway = "192.168.77.1";

describe("a reload", () => {
  const lab = useLab();
  const user = lab.addNode("user");
  const router = lab.addNode("router");
  const reloadFile = path.join(router.stateDir, "wg0.reload");
  let inRouter: Member;

  const writeReload = (text: string): void => writeFileSync(reloadFile, text, { mode: 0o600 });
  const advertised = async (): Promise<readonly string[]> =>
    (await router.rpc<StatusJson>("daemon.status")).advertised_networks;
  const routed = async (): Promise<boolean> =>
    (await user.exec(["ip", "route", "show", network])).stdout.includes("dev wg0");

  beforeAll(async () => {
    [, inRouter] = (await formMesh([user, router])) as [Member, Member];
    // A bridge without ports is a network behind the node, in every kernel.
    for (const command of ["link add lan0 up type bridge", `address add ${gateway}/24 dev lan0`]) {
      expect((await router.exec(["ip", ...command.split(" ")])).code).toBe(0);
    }
  });

  afterEach(() => rmSync(reloadFile, { force: true }));

  test("by SIGHUP advertises a new route, others use it at once, and no packet of the tunnel is lost", async () => {
    const ping = new SteadyPing(user, inRouter.status.mesh_ip, 2, true);
    await delay(500);
    writeReload(`# networks behind this node\nadvertise-routes = ${network}\n`);
    router.signal("SIGHUP");
    const { ms } = await timed(() => user.pingUntilAnswered(gateway, allowanceMs(1000)));
    console.log(`the new route carried a ping ${Math.round(ms)} ms after SIGHUP`);
    await delay(500);
    const { sent, lost } = await ping.finish();
    expect(sent).toBeGreaterThan(100);
    expect(lost).toEqual([]);
    expect(await advertised()).toEqual([network]);
    expect(await routed()).toBe(true);
  });

  test("without a reload file is a warning and changes nothing", async () => {
    const since = router.log.length;
    router.signal("SIGHUP");
    await until("a warning", allowanceMs(1000), () =>
      router.findLog(({ text }) => text.includes("wg0.reload"), since),
    );
    expect(await advertised()).toEqual([network]);
    const { code, stdout, stderr } = await router.client("reload");
    expect(code).toBe(0);
    expect(stdout + stderr).toContain("wg0.reload");
  });

  test.each([
    [
      "a network that is none",
      `log-level = debug\nadvertise-routes = 192.168.78.0/33\n`,
      /2.*advertise-routes/,
    ],
    ["an unknown key", "advertise-route = 192.168.78.0/24\n", /1.*advertise-route/],
    ["a key that needs a restart", "advertise-routes = 192.168.78.0/24\nsecret = another\n", /2.*secret/],
    ["a log level that is none", "advertise-routes = 192.168.78.0/24\nlog-level = loud\n", /2.*log-level/],
  ])("with %s names the line and changes nothing", async (_what, text, complaint) => {
    writeReload(text);
    const since = router.log.length;
    router.signal("SIGHUP");
    await until("an error in the log", allowanceMs(1000), () =>
      router.findLog((line) => complaint.test(line.text), since),
    );
    const { code, stderr } = await router.client("reload");
    expect(code).toBe(2);
    expect(stderr).toMatch(complaint);
    expect(await advertised()).toEqual([network]);
    expect(await routed()).toBe(true);
  });

  test("of a file that others may write is refused", async () => {
    writeFileSync(reloadFile, "advertise-routes =\n");
    chmodSync(reloadFile, 0o666);
    const { code, stderr } = await router.client("reload");
    expect(code).not.toBe(0);
    expect(stderr).toContain("wg0.reload");
    expect(await advertised()).toEqual([network]);
  });

  test("by wgmesh reload withdraws the route, and others drop it", async () => {
    writeReload("advertise-routes =\n");
    expect((await router.client("reload")).code).toBe(0);
    expect(await advertised()).toEqual([]);
    await until("the route is gone", allowanceMs(1000), async () => !(await routed()));
  });
});
