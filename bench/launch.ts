/** From launching daemons to interfaces and meshes that work. */
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import path from "node:path";
import { Lab } from "../__test__/mesh/harness/lab.ts";
import type { MeshNode } from "../__test__/mesh/harness/node.ts";
import { formMesh } from "../__test__/mesh/harness/ping.ts";
import { type Bench, sampled } from "./measure.ts";

/** CLOCK_MONOTONIC in milliseconds, as pinger.py prints it. */
const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Ten times what anything here takes on a busy machine: a mesh that never comes about is a failure, and the next bench's turn. */
const LIMIT_MS = 300_000;

/** Lines of a command in a node's namespace, from the first on; fails when it has not ended in time. */
async function* lines(node: MeshNode, ...command: string[]): AsyncGenerator<string> {
  const [file = "", ...args] = node.command(...command);
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, LIMIT_MS);
  try {
    let rest = "";
    for await (const chunk of child.stdout) {
      const texts = (rest + chunk).split("\n");
      rest = texts.pop() ?? "";
      yield* texts;
    }
  } finally {
    clearTimeout(timer);
    child.kill("SIGKILL");
  }
  if (late) throw new Error(`${node.name}: ${command.join(" ")} was not done within ${LIMIT_MS / 1000} s`);
}

async function interfaceUpMs(lab: Lab, round: number): Promise<number> {
  const node = lab.addNode(`up${round}`);
  const monitor = lines(node, "ip", "monitor", "link");
  let launchedMs = 0;
  // The monitor listens once it has told of a change we made ourselves.
  const poke = setInterval(
    () =>
      void node.exec(["ip", "link", "set", "lo", "mtu", String(60_000 + Math.floor(monotonicMs() % 5000))]),
    50,
  );
  try {
    for await (const line of monitor) {
      if (launchedMs === 0) {
        clearInterval(poke);
        launchedMs = monotonicMs();
        node.start();
      } else if (/\bwg0: <.*\bUP\b/.test(line)) {
        break;
      }
    }
  } finally {
    clearInterval(poke);
  }
  const ms = monotonicMs() - launchedMs;
  await node.untilRunning();
  await node.stop();
  return ms;
}

export const interfaceUp: Bench = {
  name: "interface",
  async run() {
    const lab = new Lab();
    try {
      const samples = await sampled((round) => interfaceUpMs(lab, round));
      return [
        { name: this.name, what: "launch → interface up, one node", unit: "ms", goal: "≤ 250 ms", samples },
      ];
    } finally {
      lab.dispose();
    }
  },
};

/** All ordered pairs, pinged from before launch. */
export async function meshMs(nodes: readonly MeshNode[], addresses: readonly string[]): Promise<number> {
  // With more nodes the pingers themselves would need the cores.
  const intervalMs = nodes.length > 10 ? 100 : 20;
  const pingers = nodes.map((node, index) => {
    const targets = addresses.filter((_, other) => other !== index);
    return lines(node, "/usr/bin/python3", "bench/pinger.py", String(intervalMs), ...targets);
  });
  await Promise.all(pingers.map((pinger) => pinger.next()));
  const launchedMs = monotonicMs();
  for (const node of nodes) node.start();
  const lastAnswers = await Promise.all(
    pingers.map(async (pinger) => {
      let last = 0;
      for await (const line of pinger) last = Number(line.split(" ")[1]);
      return last;
    }),
  );
  return Math.max(...lastAnswers) - launchedMs;
}

const goals: Readonly<Record<number, string>> = { 3: "≤ 1000 ms", 10: "≤ 2500 ms", 30: "≤ 8000 ms" };

/** Launch to every ping answered, `count` nodes on one bridge without Internet. */
export const mesh = (count: number): Bench => ({
  name: `mesh${count}`,
  async run() {
    const lab = new Lab();
    try {
      const nodes = Array.from({ length: count }, (_, index) => lab.addNode(`n${index}`));
      // The addresses follow from the keys, which the first start makes.
      const first = await Promise.all(nodes.map((node) => node.startAndWait()));
      const addresses = first.map(({ mesh_ip }) => mesh_ip);
      const samples = await sampled(async () => {
        await Promise.all(nodes.map((node) => node.stop()));
        for (const node of nodes) rmSync(path.join(node.stateDir, "wg0-peers.json"), { force: true });
        return meshMs(nodes, addresses);
      });
      const what = `launch → every ping answered, ${count} nodes on a LAN without Internet`;
      return [{ name: this.name, what, unit: "ms", goal: goals[count] ?? "", samples }];
    } finally {
      lab.dispose();
    }
  },
});

export const restart: Bench = {
  name: "restart",
  async run() {
    const lab = new Lab();
    try {
      const [steady, killed] = await formMesh([lab.addNode("steady"), lab.addNode("killed")]);
      if (steady === undefined || killed === undefined) throw new Error("no mesh");
      const samples = await sampled(async () => {
        await killed.node.kill9();
        const start = monotonicMs();
        killed.node.start();
        await steady.node.pingUntilAnswered(killed.status.mesh_ip, 60_000);
        return monotonicMs() - start;
      });
      const what = "killed with -9 and started again → pings answered";
      return [{ name: this.name, what, unit: "ms", goal: "≤ 2000 ms", samples }];
    } finally {
      lab.dispose();
    }
  },
};
