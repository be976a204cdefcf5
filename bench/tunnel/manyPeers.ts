/** What a device costs that has a thousand peers, all connected and quiet, against the newest wireguard-go. */
import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { must, run } from "../../__test__/mesh/harness/exec.ts";
import { Lab } from "../../__test__/mesh/harness/lab.ts";
import { MeshNode } from "../../__test__/mesh/harness/node.ts";
import { delay, until } from "../../__test__/mesh/harness/time.ts";
import { type Bench, type Measure, rounds } from "../measure.ts";
import { cpuMs, mebibytes, newestWireguardGo } from "./ends.ts";

const peers = 1000;
const firstPort = 20_000;
/** Each peer's keepalive comes once in a window. */
const keepaliveSeconds = 25;
const windowMs = keepaliveSeconds * 1000;
const connectLimitMs = 60_000;

interface Cost {
  readonly connectMs: number;
  readonly rssMebibytes: number;
  /** Percent of a core, a window each. */
  readonly cpu: readonly number[];
}

/** The programs of native/examples, optimised. */
async function buildExamples(): Promise<string> {
  const build = ["cargo", "build", "--quiet", "--release", "--package", "wgmesh-native", "--examples"];
  const { code, stderr } = await run(build, { limitMs: 900_000 });
  if (code !== 0) throw new Error(`${build.join(" ")}: ${stderr}`);
  return path.resolve(process.env.CARGO_TARGET_DIR ?? "target", "release/examples");
}

/** `output`: whether somebody reads what it prints; a pipe that nobody reads would stop it once it is full. */
function launch(node: MeshNode, command: readonly string[], output: "pipe" | "ignore"): ChildProcess {
  const [file = "", ...args] = node.command(...command);
  return spawn(file, args, { stdio: ["pipe", output, "inherit"] });
}

/** The first `count` lines that a program prints. */
async function printed(child: ChildProcess, count: number): Promise<string[]> {
  if (child.stdout === null) return [];
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (lines.length === count) break;
  }
  return lines;
}

/** Configuration for `wg setconf`. */
function configuration(privateKey: string, keys: readonly string[], address: string): string {
  const sections = keys.map((key, index) =>
    [
      "[Peer]",
      `PublicKey = ${key}`,
      `Endpoint = ${address}:${firstPort + index}`,
      `AllowedIPs = 10.91.${index >> 8}.${index & 255}/32`,
      `PersistentKeepalive = ${keepaliveSeconds}`,
    ].join("\n"),
  );
  return ["[Interface]", `PrivateKey = ${privateKey}`, "ListenPort = 51820", ...sections, ""].join("\n");
}

/** `program` makes the interface wg0 in the foreground and serves its UAPI socket. */
async function cost(lab: Lab, name: string, program: readonly string[], examples: string): Promise<Cost> {
  const device = new MeshNode("device", lab.addHost(`${name}d`), {});
  const others = new MeshNode("others", lab.addHost(`${name}o`), {});
  const privateKey = must(["wg", "genkey"]).trim();
  const publicKey = must(["wg", "pubkey"], privateKey).trim();
  const children = [launch(device, program, "ignore")];
  try {
    await until("the device", 10_000, async () => (await device.exec(["wg", "show", "wg0"])).code === 0);
    const file = path.join(examples, "many_peers");
    const stand = launch(others, [file, publicKey, String(peers), String(firstPort)], "pipe");
    children.push(stand);
    const keys = await printed(stand, peers);
    const config = path.join(device.host.folder, "wg.conf");
    writeFileSync(config, configuration(privateKey, keys, others.host.address), { mode: 0o600 });
    await device.exec(["ip", "link", "set", "wg0", "mtu", "1420", "up"]);

    const startMs = performance.now();
    must(device.command("wg", "setconf", "wg0", config));
    await until("all are connected", connectLimitMs, async () => {
      const { stdout } = await device.exec(["wg", "show", "wg0", "latest-handshakes"]);
      return stdout.split("\n").filter((line) => /\t[1-9]/.test(line)).length === peers;
    });
    const connectMs = performance.now() - startMs;

    await delay(windowMs);
    const pid = children[0]?.pid ?? 0;
    const cpu: number[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      const beforeMs = cpuMs(pid);
      await delay(windowMs);
      cpu.push(((cpuMs(pid) - beforeMs) / windowMs) * 100);
    }
    return { connectMs, rssMebibytes: mebibytes(`/proc/${pid}/status`, "VmRSS"), cpu };
  } finally {
    for (const child of children) child.kill("SIGKILL");
  }
}

export const manyPeers: Bench = {
  name: "many-peers",
  async run(): Promise<Measure[]> {
    const lab = new Lab();
    try {
      const examples = await buildExamples();
      const newest = await newestWireguardGo(lab);
      const mine = await cost(lab, "m", [path.join(examples, "embedded_tunnel"), "wg0"], examples);
      const theirs = await cost(lab, "w", [newest, "-f", "wg0"], examples);
      const row = (
        name: string,
        what: string,
        unit: Measure["unit"],
        read: (one: Cost) => readonly number[],
      ): Measure => ({
        name,
        what,
        unit,
        goal: "less",
        samples: read(mine),
        against: { what: "newest wireguard-go", samples: read(theirs) },
      });
      return [
        row("many-connect", `${peers} peers set → all connected`, "ms", (one) => [one.connectMs]),
        row("many-rss", `RSS with ${peers} connected peers`, "MiB", (one) => [one.rssMebibytes]),
        row("many-cpu", `CPU with ${peers} connected, quiet peers`, "%", (one) => one.cpu),
      ];
    } finally {
      lab.dispose();
    }
  },
};
