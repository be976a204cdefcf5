/**
 * What happens to networks while a mesh runs: it comes back by itself. WGMESH_NAT_MINUTES=1 (part of `npm run test:nat`) waits
 * as long as life would; else the waits are scaled.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Member } from "../harness/ping.ts";
import { delay } from "../harness/time.ts";
import { addNodeAt, launch, newMesh, untilAllAnswer, untilAnswered } from "./scenario.ts";
import { useInternet } from "./useInternet.ts";

const long = process.env.WGMESH_NAT_MINUTES === "1";
/** Promised from the network being back to pings being answered. */
const backMs = 5000;
const healedMs = 15_000;
const sleepMs = long ? 600_000 : 15_000;
const noRouteMs = long ? 30_000 : 8_000;
const lossMs = long ? 60_000 : 10_000;
/** Longer than a NAT keeps an idle mapping (120 s) with the long wait. */
const partedMs = long ? 600_000 : 20_000;

describe("a mesh over NATs", () => {
  const internet = useInternet();
  const places = {
    masquerade: internet.addSite("masquerade", "M"),
    restricted: internet.addSite("restricted", "PR"),
    open: internet.addSite("open", "O"),
    elsewhere: internet.addSite("elsewhere", "M"),
  };
  let one: Member;
  let other: Member;
  let open: Member;

  const bothWays = async (promisedMs = backMs): Promise<number> => {
    const times = await Promise.all([
      untilAnswered(one, other, promisedMs),
      untilAnswered(other, one, promisedMs),
    ]);
    return Math.round(Math.max(...times));
  };
  const report = (what: string, ms: number): void => console.log(`${what}: pings after ${ms} ms`);

  beforeAll(async () => {
    await internet.startServers();
    const secretFile = newMesh(internet, "changes");
    const nodes = [
      addNodeAt(internet, places.masquerade, "one", { secretFile }),
      addNodeAt(internet, places.restricted, "other", { secretFile }),
      addNodeAt(internet, places.open, "public", { secretFile }),
    ];
    places.elsewhere.addHost("elsewhere-probe");
    await internet.verifyAll();
    [one, other, open] = (await launch(nodes)) as [Member, Member, Member];
    await untilAllAnswer([one, other, open], backMs);
  });

  afterAll(async () => {
    await Promise.all([one, other, open].map((member) => member?.node.stop()));
  });

  test("survives that the router restricted reboots", async () => {
    const before = places.restricted.address;
    places.restricted.reboot();
    expect(places.restricted.address).not.toBe(before);
    report("router rebooted", await bothWays());
  });

  test("survives that a host moves to another network", async () => {
    places.elsewhere.receive(one.node.host);
    report("moved", await bothWays());
  });

  test("survives that a node sleeps", async () => {
    other.node.signal("SIGSTOP");
    await delay(sleepMs);
    other.node.signal("SIGCONT");
    report("slept", await bothWays());
  });

  test("survives that the default route is gone for a while", async () => {
    const route = (await other.node.exec(["ip", "route", "show", "default"])).stdout.trim().split(" ");
    await other.node.exec(["ip", "route", "delete", "default"]);
    await delay(noRouteMs);
    const { code } = await other.node.exec(["ip", "route", "add", ...route]);
    expect(code).toBe(0);
    report("default route lost", await bothWays());
  });

  test("keeps its tunnels with 30 % loss, and all is well after it", async () => {
    places.restricted.setLoss(30);
    await delay(lossMs);
    const lossy = await bothWays();
    places.restricted.setLoss(0);
    report("during 30 % loss", lossy);
    report("after 30 % loss", await bothWays());
  });

  test("survives that a site is cut off", async () => {
    places.restricted.setLink("down");
    await delay(noRouteMs);
    places.restricted.setLink("up");
    report("cut off", await bothWays());
  });

  test("two halves that were parted find each other again", async () => {
    internet.core.part([places.restricted.port], [places.elsewhere.port, places.open.port]);
    await delay(partedMs);
    const { code } = await other.node.exec(["ping", "-n", "-c", "1", "-W", "1", one.status.mesh_ip]);
    expect(code).not.toBe(0);
    internet.core.join();
    report("parted", await bothWays(healedMs));
  });
});
