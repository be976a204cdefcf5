/** systemd-networkd, told to configure every link, beside a node (row G10): what the file that `install-service` writes keeps it from. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeAll, expect, test } from "vitest";
import { ended, must } from "./harness/exec.ts";
import type { StatusJson } from "./harness/node.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const lab = useLab();
const node = lab.addNode("node", { flags: ["--no-dht", "--no-stun"] });
/** As of an image that means every Ethernet port. */
const EVERY_LINK =
  "[Match]\nName=*\n\n[Network]\nAddress=198.18.7.7/24\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n";
/** What `install-service` writes (a unit test holds both to be the same). */
const OWN = readFileSync("packaging/networkd/00-wgmesh-wg0.network", "utf8");
/** Where nobody answers for udev, networkd waits for it unless /sys cannot be written; its own folders are made by systemd elsewhere. */
const SCRIPT = [
  "mount -t tmpfs tmpfs /run",
  "mount -o remount,ro /sys",
  "mkdir -p /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp",
  "chown -R systemd-network /run/systemd/netif",
  'cp "$0"/* /run/systemd/network/',
  "exec /lib/systemd/systemd-networkd",
].join(" && ");

let networkd: ChildProcess | null = null;
let status: StatusJson;

beforeAll(async () => {
  status = await node.startAndWait();
});

afterEach(async () => {
  if (networkd === null) return;
  const gone = ended(networkd);
  networkd.kill("SIGKILL");
  await gone;
  networkd = null;
});

const indexOf = (link: string): string =>
  must(["ip", "netns", "exec", node.host.namespace, "cat", `/sys/class/net/${link}/ifindex`]).trim();

/** Starts it with these files; what it says of a link, as `networkctl` shows it. */
function startNetworkd(files: Readonly<Record<string, string>>): (link: string) => string | null {
  const folder = lab.newFolder(`networkd-${Object.keys(files).length}`);
  for (const [name, text] of Object.entries(files)) writeFileSync(`${folder}/${name}`, text);
  const child = spawn("ip", ["netns", "exec", node.host.namespace, "sh", "-c", SCRIPT, folder], {
    stdio: "ignore",
  });
  networkd = child;
  return (link) => {
    try {
      const text = readFileSync(`/proc/${child.pid}/root/run/systemd/netif/links/${indexOf(link)}`, "utf8");
      return /^ADMIN_STATE=(\w+)$/m.exec(text)?.[1] ?? null;
    } catch {
      // Not looked at yet.
      return null;
    }
  };
}

async function addressesOf(link: string): Promise<string[]> {
  const { stdout } = await node.exec(["ip", "-json", "address", "show", "dev", link]);
  const [{ addr_info: found }] = JSON.parse(stdout) as [
    { addr_info: { local: string; prefixlen: number }[] },
  ];
  return found.map(({ local, prefixlen }) => `${local}/${prefixlen}`).sort();
}

test("with the file of install-service it leaves the interface as the node made it", async () => {
  const before = await addressesOf("wg0");
  expect(before).toEqual(expect.arrayContaining([`${status.mesh_ip}/16`, `${status.mesh_ipv6}/64`]));
  const stateOf = startNetworkd({ "00-wgmesh-wg0.network": OWN, "50-all.network": EVERY_LINK });
  await until("it has configured the others", allowanceMs(2_000), () => stateOf("eth0") === "configured");
  expect(await addressesOf("eth0")).toContain("198.18.7.7/24");
  expect(stateOf("wg0")).toBe("unmanaged");
  expect(await addressesOf("wg0")).toEqual(before);
});

test("without it the interface gets an address that is not the mesh's, and loses its link-local one", async () => {
  const stateOf = startNetworkd({ "50-all.network": EVERY_LINK });
  await until("it has configured the interface", allowanceMs(2_000), () => stateOf("wg0") === "configured");
  const addresses = await addressesOf("wg0");
  expect(addresses).toContain("198.18.7.7/24");
  expect(addresses.join()).not.toContain("fe80:");
});
