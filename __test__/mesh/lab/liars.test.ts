/** A DHT that is full of lies: nodes behind NATs meet all the same, and nobody is flooded. */
import { beforeAll, expect, test } from "vitest";
import { Arrivals } from "../harness/arrivals.ts";
import { delay } from "../harness/time.ts";
import { launch, newMesh, untilAllAnswer } from "./scenario.ts";
import { dhtPort, type Liars, startDhtLiars } from "./servers.ts";
import { useInternet } from "./useInternet.ts";

const internet = useInternet();
const homes = [internet.addSite("masqueraded", "M"), internet.addSite("restricted", "PR")];
const bystander = internet.outsideHost();
/** Hoped for from launch to every ping answered. */
const meetingMs = 30_000;
const lies = 10_000;
let liars: Liars;

beforeAll(async () => {
  await internet.startServers();
  liars = await startDhtLiars(internet.lab, internet.core, "liars", {
    count: 12,
    lies,
    victim: bystander.address,
  });
});

test("two behind NATs meet by a DHT that tells 10,000 lies, and no victim is flooded", async () => {
  const arrivals = new Arrivals(bystander.namespace, "meta l4proto udp");
  // Of those they begin with, two in three lie.
  const liarFlags = liars.addresses.slice(0, 2).flatMap((host) => ["--dht-bootstrap", `${host}:${dhtPort}`]);
  const [honest = ""] = internet.servers.dht;
  const stun = internet.servers.stun.flatMap(([host]) => ["--stun-server", `${host}:3478`]);
  const flags = [...liarFlags, "--dht-bootstrap", `${honest}:${dhtPort}`, ...stun];
  const secretFile = newMesh(internet, "lies");
  const nodes = homes.map((site) =>
    internet.lab.addNode(
      site.name,
      { secretFile, flags: ["--no-lan-discovery", ...flags] },
      site.addHost(site.name),
    ),
  );
  let ms = 0;
  const flood = await arrivals.during(async () => {
    const members = await launch(nodes);
    ms = await untilAllAnswer(members, meetingMs / 10);
    await delay(5_000);
  });
  const { most, mean, perSecond } = flood;
  console.log(
    `met after ${Math.round(ms)} ms, ${liars.told()} lies told; to the bystander: ${perSecond.join(" ")}`,
  );
  expect(ms).toBeLessThanOrEqual(meetingMs);
  expect(liars.told()).toBeGreaterThan(1_000);
  // Two nodes, each of which asks four ports of a host in five seconds, with six datagrams each at most.
  expect(most).toBeLessThanOrEqual(2 * 4 * 6);
  expect(mean).toBeLessThanOrEqual((2 * 4 * 6) / 5);
  for (const node of nodes) await node.stop();
});
