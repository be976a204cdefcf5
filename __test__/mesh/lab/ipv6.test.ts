/** Hosts that have IPv6 and nothing else: no DHT, but STUN, punching through firewalls, introducers, `--peer` and the peer cache. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { beforeAll, describe, expect, test } from "vitest";
import { must } from "../harness/exec.ts";
import type { Host } from "../harness/lab.ts";
import type { MeshNode } from "../harness/node.ts";
import type { Member } from "../harness/ping.ts";
import { allowanceMs, until } from "../harness/time.ts";
import { launch, newMesh, peerSeen, untilAllAnswer, untilPath } from "./scenario.ts";
import { startStunServer, stunPort } from "./servers.ts";
import { program, type Site } from "./site.ts";
import { useInternet } from "./useInternet.ts";

/** Promised from launch to every ping answered. */
const meetingMs = 5000;

/** Whether a datagram gets from one host to a port of the other that never spoke. */
async function reaches(from: Host, to: Host): Promise<boolean> {
  const port = "40000";
  const listening = [...program("heard.py"), to.address, port, "1"];
  const child = spawn("ip", ["netns", "exec", to.namespace, ...listening], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface(child.stdout)) {
    if (line !== "listening") return line === "yes";
    const send = `import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b"x", ("${to.address}", ${port}))`;
    must(["ip", "netns", "exec", from.namespace, "/usr/bin/python3", "-c", send]);
  }
  throw new Error("nothing came from heard.py");
}

describe("hosts with IPv6 alone", () => {
  const internet = useInternet();
  // Their routers let nothing in that the inside did not begin, and translate nothing.
  const firewalled = ["left", "right"].map((name) => internet.addSite(name, "M", { ipv6: true }));
  const open = internet.addSite("open", "O", { ipv6: true });
  const elsewhere = internet.addSite("elsewhere", "O", { ipv6: true });
  let stunFlags: readonly string[] = [];

  beforeAll(async () => {
    const servers = [1, 2].map((number) =>
      startStunServer(internet.lab, internet.core, `stun6-${number}`, { ipv6: true }),
    );
    stunFlags = servers.flatMap(([address]) => ["--stun-server", `[${address}]:${stunPort}`]);
  });

  /** A host without an IPv4 address, and its IPv6 address. A site without a router has one host. */
  function hostAt(site: Site, name: string): Host {
    const host = site.addHost(name);
    must(["ip", "-n", host.namespace, "-4", "address", "flush", "dev", "eth0"]);
    const address =
      site.router === null ? `${site.prefix}::1` : `${site.prefix}:1::${10 + site.hosts.length - 1}`;
    return { ...host, address };
  }

  function nodeAt(host: Host, name: string, secretFile: string, ...peers: readonly string[]): MeshNode {
    const flags = peers.flatMap((address) => ["--peer", `[${address}]`]);
    return internet.lab.addNode(
      name,
      { secretFile, flags: ["--no-lan-discovery", "--no-dht", ...stunFlags, ...flags] },
      host,
    );
  }

  test("the firewalls let nothing in that was not asked for", async () => {
    const [behind, outside] = [hostAt(firewalled[0] as Site, "inside"), hostAt(elsewhere, "elsewhere")];
    expect(await reaches(behind, outside)).toBe(true);
    expect(await reaches(outside, behind)).toBe(false);
  });

  const stopAll = (members: readonly Member[]) => Promise.all(members.map(({ node }) => node.stop()));

  /** STUN has told the node where it is. */
  async function untilSeen(member: Member, host: Host): Promise<void> {
    const { node } = member;
    await until(`${node.name} knows its address`, allowanceMs(3000), () =>
      node.findLog(({ fields }) => `${fields?.endpoint}`.startsWith(`[${host.address}]:`)),
    );
  }

  test("behind firewalls, with a public node: STUN tells each its address, and their path is direct", async () => {
    const secretFile = newMesh(internet, "punched");
    const [publicHost, left, right] = [
      hostAt(open, "public"),
      ...firewalled.map((site) => hostAt(site, `${site.name}-punched`)),
    ] as [Host, Host, Host];
    const nodes = [
      nodeAt(publicHost, "public", secretFile),
      nodeAt(left, "left", secretFile, publicHost.address),
      nodeAt(right, "right", secretFile, publicHost.address),
    ];
    const members = await launch(nodes);
    const ms = await untilAllAnswer(members, meetingMs);
    console.log(`IPv6 behind firewalls, one public node: ${Math.round(ms)} ms after running`);
    const [, one, other] = members as [Member, Member, Member];
    await untilSeen(one, left);
    await untilSeen(other, right);
    await untilPath(one, other, ["direct"], allowanceMs(meetingMs));
    await untilPath(other, one, ["direct"], allowanceMs(meetingMs));
    expect((await peerSeen(one, other))?.endpoint).toContain(`[${right.address}]:`);

    // Whoever starts anew finds them by what it has kept, though the node it was told of is gone.
    await members[0]?.node.stop();
    await one.node.stop();
    const again = internet.lab.addNode(
      "left-again",
      { secretFile, flags: ["--no-lan-discovery", "--no-dht", ...stunFlags] },
      left,
    );
    again.start("--state-dir", one.node.stateDir);
    const back = { node: again, status: await again.untilRunning() };
    const cacheMs = await untilAllAnswer([back, other], meetingMs);
    console.log(`IPv6 behind firewalls, from the peer cache: ${Math.round(cacheMs)} ms after running`);
    await stopAll([back, other]);
  });

  test("behind firewalls, each told of the other by --peer", async () => {
    const secretFile = newMesh(internet, "told");
    const [left, right] = firewalled.map((site) => hostAt(site, `${site.name}-told`)) as [Host, Host];
    const members = await launch([
      nodeAt(left, "left-told", secretFile, right.address),
      nodeAt(right, "right-told", secretFile, left.address),
    ]);
    const ms = await untilAllAnswer(members, meetingMs);
    console.log(`IPv6 behind firewalls, --peer: ${Math.round(ms)} ms after running`);
    await stopAll(members);
  });
});
