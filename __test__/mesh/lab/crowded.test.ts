/**
 * DHT nodes that are honest, and full: 10,000 peers of nobody were announced under the mesh's id, more than a node keeps. Who was there
 * before stays there, so whoever comes later finds the mesh all the same; and nobody is asked often.
 */
import { beforeAll, expect, test } from "vitest";
import { Arrivals } from "../harness/arrivals.ts";
import { run } from "../harness/exec.ts";
import type { Host } from "../harness/lab.ts";
import { delay } from "../harness/time.ts";
import { hourlyId } from "./grid/meshSecret.ts";
import { ip, rules } from "./network.ts";
import { addNodeAt, launch, newMesh, untilAllAnswer } from "./scenario.ts";
import { dhtPort } from "./servers.ts";
import { program } from "./site.ts";
import { useInternet } from "./useInternet.ts";

const internet = useInternet();
const open = internet.addSite("open", "O");
const homes = [internet.addSite("masqueraded", "M"), internet.addSite("restricted", "PR")] as const;
const bogus = 10_000;
/** All of its addresses lead to one host. */
const network = "20.0.0.0/16";
const hourMs = 3_600_000;
const promisedMs = 3_000;
let crowd: Host;

beforeAll(async () => {
  await internet.startServers();
  crowd = internet.outsideHost();
  internet.core.routeTo(network, crowd.address);
  ip(crowd.namespace, `route add local ${network} dev lo`);
  // What comes for the crowd is not answered, and not by ICMP either.
  rules(
    crowd.namespace,
    "quiet",
    "chain input { type filter hook input priority filter; udp dport 52000 drop; }",
  );
});

/** Announces the crowd under this hour's id; resolves to how many were taken, and how many refused since the nodes were full. */
async function announceCrowd(secretFile: string): Promise<readonly [taken: number, refused: number]> {
  const id = hourlyId(secretFile, Math.floor(Date.now() / hourMs));
  const command = [...program("dht_crowd.py"), String(dhtPort), id, String(bogus), "20.0"];
  const { stdout, stderr } = await run(
    ["ip", "netns", "exec", crowd.namespace, ...command, ...internet.servers.dht],
    { limitMs: 120_000 },
  );
  const counts = /^announced (\d+), refused (\d+)$/m.exec(stdout);
  if (counts === null) throw new Error(`the crowd was not announced: ${stderr}`);
  return [Number(counts[1]), Number(counts[2])];
}

test("who comes later finds the mesh among 10,000 bogus peers, and none of these is asked often", async () => {
  const secretFile = newMesh(internet, "crowded");
  const early = [open, homes[0]].map((site) =>
    addNodeAt(internet, site, `${site.name}-early`, { secretFile }),
  );
  const members = await launch(early);
  await untilAllAnswer(members, promisedMs);
  const [taken, refused] = await announceCrowd(secretFile);
  expect(taken + refused).toBeGreaterThan(bogus * 0.9);
  // Each of them is full: nobody else gets in.
  expect(refused).toBeGreaterThan(bogus / 2);
  const arrivals = new Arrivals(crowd.namespace, "udp dport 52000");
  let ms = 0;
  const asked = await arrivals.during(async () => {
    const late = await launch([addNodeAt(internet, homes[1], "late", { secretFile })]);
    ms = await untilAllAnswer([...members, ...late], promisedMs);
    members.push(...late);
    await delay(5_000);
  });
  console.log(
    `${taken} bogus announced, ${refused} refused; met after ${Math.round(ms)} ms; datagrams to them a second: ${asked.perSecond.join(" ")}`,
  );
  // 60 a second for each of three nodes, after a burst of 120.
  expect(asked.most).toBeLessThanOrEqual(3 * (120 + 60));
  expect(asked.mean).toBeLessThanOrEqual(3 * 60 + 120);
  await Promise.all(members.map(({ node }) => node.stop()));
});
