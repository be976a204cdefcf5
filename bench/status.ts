/** What an operator waits for: `wgmesh status` and `peers list` of a daemon that knows a thousand peers. */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { run } from "../__test__/mesh/harness/exec.ts";
import { Lab } from "../__test__/mesh/harness/lab.ts";
import { clientProgram, type MeshNode } from "../__test__/mesh/harness/node.ts";
import { delay, timed, until } from "../__test__/mesh/harness/time.ts";
import { type Bench, sampled } from "./measure.ts";

const peers = 1_000;
/** Contacting as many as it knows is over by then. */
const settleMs = 25_000;

export const status: Bench = {
  name: "status-1000",
  async run() {
    const lab = new Lab();
    try {
      const node = lab.addNode("n", { flags: ["--log-level", "info"] });
      const { mesh_ip } = await node.startAndWait();
      await node.stop();
      writeFileSync(path.join(node.stateDir, "wg0-peers.json"), cache(mesh_ip), { mode: 0o600 });
      await node.startAndWait();
      await until("it knows them", 30_000, async () => {
        const { total } = await node.rpc<{ total: number }>("peers.count");
        return total === peers;
      });
      await delay(settleMs);
      return [
        {
          name: "status-1000",
          what: `wgmesh status, of a daemon that knows ${peers} peers`,
          unit: "ms",
          goal: "≤ 250 ms",
          samples: await sampled(() => clientMs(node, "status")),
        },
        {
          name: "peers-1000",
          what: `wgmesh peers list, of ${peers} peers`,
          unit: "ms",
          goal: "lower",
          samples: await sampled(() => clientMs(node, "peers", "list")),
        },
      ];
    } finally {
      lab.dispose();
    }
  },
};

/** A process from its start to its end. */
async function clientMs(node: MeshNode, ...args: string[]): Promise<number> {
  const command = [process.execPath, clientProgram, ...args, "--socket-path", node.socketPath];
  const { ms, value } = await timed(() => run(command));
  if (value.code !== 0) throw new Error(`wgmesh ${args.join(" ")}: ${value.stderr}`);
  return ms;
}

/** The file a run leaves that knew them, all seen just now. */
function cache(meshIp: string): string {
  const subnet = meshIp.split(".").slice(0, 2).join(".");
  const seconds = Math.floor(Date.now() / 1000);
  const entries = Array.from({ length: peers }, (_, index) => ({
    wg_pubkey: randomBytes(32).toString("base64"),
    hostname: `host-${index}`,
    mesh_ip: `${subnet}.${100 + (index >> 8)}.${index & 255}`,
    endpoint: `192.0.2.${100 + (index % 100)}:${20_000 + index}`,
    last_seen: seconds,
  }));
  return JSON.stringify({ peers: entries, updated_at: seconds });
}
