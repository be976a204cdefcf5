/** TCP through the tunnel: ours against wireguard-go from Debian and from the newest Go module, in turn in one run. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { must, run } from "../__test__/mesh/harness/exec.ts";
import { Lab } from "../__test__/mesh/harness/lab.ts";
import { MeshNode } from "../__test__/mesh/harness/node.ts";
import { formMesh } from "../__test__/mesh/harness/ping.ts";
import { until } from "../__test__/mesh/harness/time.ts";
import { type Bench, type Measure, rounds } from "./measure.ts";

const seconds = 5;

/** Two ends of a tunnel and the address at which the second answers. */
interface Tunnel {
  readonly from: MeshNode;
  readonly to: MeshNode;
  readonly target: string;
  /** Throws both away; the next tunnel must have the machine for itself. */
  end(): Promise<void>;
}

async function ourTunnel(lab: Lab, name: string): Promise<Tunnel> {
  const [from, to] = [
    lab.addNode(`${name}a`, { backend: "embedded" }),
    lab.addNode(`${name}b`, { backend: "embedded" }),
  ];
  const [, { status }] = (await formMesh([from, to])) as [unknown, { status: { mesh_ip: string } }];
  return {
    from,
    to,
    target: status.mesh_ip,
    end: async () => void (await Promise.all([from.stop(), to.stop()])),
  };
}

/** The same two ends with a program that is called as wireguard-go is. */
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
  return { from, to, target, end };
}

/** Mbit/s that the receiver counted over {@link seconds}. */
async function megabits({ from, to, target }: Tunnel): Promise<number> {
  const server = spawn("ip", ["netns", "exec", to.host.namespace, "iperf3", "-s", "-1"], { stdio: "ignore" });
  try {
    const listening = "ss --listening --tcp --numeric | grep -q :5201";
    await until("iperf3 listens", 10_000, async () => (await to.exec(["sh", "-c", listening])).code === 0);
    const client = ["iperf3", "-c", target, "-t", String(seconds), "-O", "1", "-J"];
    const { error, end } = JSON.parse((await from.exec(client)).stdout) as IperfResult;
    if (end.sum_received === undefined) throw new Error(`iperf3: ${error}`);
    return end.sum_received.bits_per_second / 1e6;
  } finally {
    server.kill("SIGKILL");
  }
}

interface IperfResult {
  readonly error?: string;
  readonly end: { readonly sum_received?: { readonly bits_per_second: number } };
}

/** `go install` of the newest wireguard-go into a folder of the lab. */
async function newestWireguardGo(lab: Lab): Promise<string> {
  const folder = path.join(lab.folder, "go");
  const install = ["go", "install", "golang.zx2c4.com/wireguard@latest"];
  const { code, stderr } = await run(install, { env: { GOBIN: folder }, limitMs: 300_000 });
  if (code !== 0) throw new Error(`${install.join(" ")}: ${stderr}`);
  return path.join(folder, "wireguard");
}

export const throughput: Bench = {
  name: "throughput",
  async run(): Promise<Measure[]> {
    const lab = new Lab();
    try {
      const newest = await newestWireguardGo(lab);
      const kinds = [
        {
          name: "throughput-ours",
          what: "TCP, embedded backend",
          goal: "≥ 1.2 × newest wireguard-go",
          make: ourTunnel,
        },
        {
          name: "throughput-newest-go",
          what: "TCP, wireguard-go, newest module",
          goal: "",
          make: (l: Lab, n: string) => goTunnel(l, n, newest),
        },
        {
          name: "throughput-debian-go",
          what: "TCP, wireguard-go, Debian's",
          goal: "",
          make: (l: Lab, n: string) => goTunnel(l, n, "wireguard-go"),
        },
      ];
      const samples = kinds.map((): number[] => []);
      for (let round = 1; round <= rounds; round += 1) {
        for (const [index, { make }] of kinds.entries()) {
          const tunnel = await make(lab, `t${round}${index}`);
          samples[index]?.push(await megabits(tunnel));
          await tunnel.end();
        }
      }
      return kinds.map(({ name, what, goal }, index) => ({
        name,
        what,
        unit: "Mbit/s",
        goal,
        samples: samples[index] ?? [],
      }));
    } finally {
      lab.dispose();
    }
  },
};
