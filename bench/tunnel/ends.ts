/** Two ends of a tunnel over a veth pair: ours, or wireguard-go's. */
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { must, run } from "../../__test__/mesh/harness/exec.ts";
import type { Lab } from "../../__test__/mesh/harness/lab.ts";
import { MeshNode } from "../../__test__/mesh/harness/node.ts";
import { formMesh } from "../../__test__/mesh/harness/ping.ts";
import { until } from "../../__test__/mesh/harness/time.ts";

export interface Tunnel {
  readonly from: MeshNode;
  readonly to: MeshNode;
  /** The address inside the tunnel at which `to` answers. */
  readonly target: string;
  /** The processes that move the packets, `from`'s first. */
  readonly pids: readonly number[];
  /** Throws both away; the next tunnel must have the machine for itself. */
  end(): Promise<void>;
}

/** Makes tunnels of one kind; `name` is part of the namespaces' names, so short and new each time. */
export interface TunnelKind {
  readonly what: string;
  make(lab: Lab, name: string): Promise<Tunnel>;
}

/** Two nodes of ours, as they find each other. */
export const ours: TunnelKind = {
  what: "embedded backend",
  async make(lab, name) {
    const nodes = ["a", "b"].map((end) =>
      lab.addNode(`${name}${end}`, { backend: "embedded", flags: ["--log-level", "info"] }),
    );
    const [from, to] = nodes as [MeshNode, MeshNode];
    const [, { status }] = (await formMesh(nodes)) as [unknown, { status: { mesh_ip: string } }];
    const end = async (): Promise<void> => {
      await Promise.all([from.stop(), to.stop()]);
    };
    return { from, to, target: status.mesh_ip, pids: [from.pid, to.pid], end };
  },
};

/** The same two hosts with a program that is called as wireguard-go is. */
export function wireguardGo(what: string, program: string): TunnelKind {
  return { what, make: (lab, name) => goTunnel(lab, name, program) };
}

async function goTunnel(lab: Lab, name: string, program: string): Promise<Tunnel> {
  const nodes = ["a", "b"].map((end) => new MeshNode(end, lab.addHost(`${name}${end}`), {}));
  const keys = nodes.map(() => must(["wg", "genkey"]));
  const addresses = ["10.90.0.1", "10.90.0.2"];
  const children = nodes.map((node) => {
    const [file = "", ...args] = node.command(program, "-f", "wg0");
    return spawn(file, args, { stdio: "ignore" });
  });
  for (const [index, node] of nodes.entries()) {
    const other = 1 - index;
    await until("wireguard-go", 10_000, async () => (await node.exec(["wg", "show", "wg0"])).code === 0);
    const keyFile = path.join(node.host.folder, "key");
    writeFileSync(keyFile, keys[index] ?? "", { mode: 0o600 });
    const publicKey = must(["wg", "pubkey"], keys[other]).trim();
    const endpoint = `${nodes[other]?.host.address}:51820`;
    const peer = ["peer", publicKey, "endpoint", endpoint, "allowed-ips", `${addresses[other]}/32`];
    await node.exec(["wg", "set", "wg0", "private-key", keyFile, "listen-port", "51820", ...peer]);
    await node.exec(["ip", "address", "add", `${addresses[index]}/24`, "dev", "wg0"]);
    await node.exec(["ip", "link", "set", "wg0", "mtu", "1420", "up"]);
  }
  const [from, to] = nodes as [MeshNode, MeshNode];
  const target = addresses[1] ?? "";
  await from.pingUntilAnswered(target, 20_000);
  const end = async (): Promise<void> => {
    for (const child of children) child.kill("SIGTERM");
    await until("wireguard-go ends", 10_000, () =>
      children.every(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null),
    );
  };
  return { from, to, target, pids: children.map(({ pid }) => pid ?? 0), end };
}

/** `go install` of the newest wireguard-go into a folder of the lab; the program's path. */
export async function newestWireguardGo(lab: Lab): Promise<string> {
  const folder = path.join(lab.folder, "go");
  const install = ["go", "install", "golang.zx2c4.com/wireguard@latest"];
  const { code, stderr } = await run(install, { env: { GOBIN: folder }, limitMs: 300_000 });
  if (code !== 0) throw new Error(`${install.join(" ")}: ${stderr}`);
  return path.join(folder, "wireguard");
}

/** USER_HZ; 100 on every Linux. */
const ticksPerSecond = 100;

/** User and system time of a process in milliseconds (proc(5), fields 14 and 15 of stat). */
export function cpuMs(pid: number): number {
  const afterName = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return ((Number(afterName[11]) + Number(afterName[12])) * 1000) / ticksPerSecond;
}

/** A field of a file like /proc/PID/status that counts in kB, in MiB. */
export function mebibytes(file: string, field: string): number {
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(file, "utf8"))?.[1];
  return Number(kibibytes) / 1024;
}
