/** What a node may ask on this Internet: STUN servers (coturn, RFC 5780) and DHT nodes of another implementation (libtorrent). */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Lab } from "../harness/lab.ts";
import type { Core } from "./core.ts";
import { ip, settle } from "./network.ts";
import { program } from "./site.ts";

export const stunPort = 3478;
export const dhtPort = 6881;

/** Starts a coturn on a host of its own with two addresses of one family; returns them. */
export function startStunServer(
  lab: Lab,
  core: Core,
  name: string,
  { ipv6 = false } = {},
): readonly string[] {
  const namespace = lab.addNamespace(name);
  settle(namespace);
  const attachment = core.attachServer(namespace, 2, { ipv6 });
  const second = `${attachment.prefix}::2`;
  if (ipv6) ip(namespace, `address add ${second}/128 dev eth0 nodad`);
  const addresses = ipv6 ? [`${attachment.prefix}::1`, second] : attachment.addresses;
  const folder = lab.newFolder(name);
  const configuration = [
    ...addresses.map((address) => `listening-ip=${address}`),
    `listening-port=${stunPort}`,
    `alt-listening-port=${stunPort + 1}`,
    ...["stun-only", "no-tcp", "no-tls", "no-dtls", "no-cli", "no-tcp-relay", "rfc5780"],
    ...["log-file=stdout", "simple-log", "no-software-attribute", "relay-threads=1"],
    `pidfile=${path.join(folder, "pid")}`,
    `userdb=${path.join(folder, "db")}`,
  ];
  const file = path.join(folder, "turnserver.conf");
  writeFileSync(file, `${configuration.join("\n")}\n`);
  spawn("ip", ["netns", "exec", namespace, "turnserver", "-c", file], { stdio: "ignore" }).unref();
  return addresses;
}

/** Starts so many DHT nodes, each with an address of its own; resolves to these when the nodes know each other. */
export async function startDhtNodes(
  lab: Lab,
  core: Core,
  name: string,
  count: number,
): Promise<readonly string[]> {
  if (count === 0) return [];
  return (await startDht(lab, core, name, count, "dht_nodes.py")).addresses;
}

/** DHT nodes that lie (programs/dht_liars.py). */
export interface Liars {
  readonly addresses: readonly string[];
  /** How many addresses they have told so far. */
  told(): number;
}

/** Starts so many liars, with so many lies in all; some of these are ports of the victim's. */
export async function startDhtLiars(
  lab: Lab,
  core: Core,
  name: string,
  { count, lies, victim }: { readonly count: number; readonly lies: number; readonly victim: string },
): Promise<Liars> {
  let told = 0;
  const { addresses, lines } = await startDht(lab, core, name, count, "dht_liars.py", String(lies), victim);
  lines.on("line", (line: string) => {
    told = Number(/^told (\d+)$/.exec(line)?.[1] ?? told);
  });
  return { addresses, told: () => told };
}

async function startDht(
  lab: Lab,
  core: Core,
  name: string,
  count: number,
  script: string,
  ...args: readonly string[]
): Promise<{ readonly addresses: readonly string[]; readonly lines: Interface }> {
  const namespace = lab.addNamespace(name);
  settle(namespace);
  const { addresses } = core.attachServer(namespace, count);
  const command = ["netns", "exec", namespace, ...program(script), String(dhtPort), ...args, ...addresses];
  const child = spawn("ip", command, { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface(child.stdout);
  const failed = once(child, "exit").then(() => Promise.reject(new Error(`${script} ended`)));
  await Promise.race([once(lines, "line"), failed]);
  failed.catch(() => {});
  return { addresses, lines };
}
