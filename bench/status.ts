/** What an operator waits for: `wgmesh status` and `peers list` of a daemon that knows a thousand peers. */
import { run } from "../__test__/mesh/harness/exec.ts";
import { KNOWN_PEERS, leaveKnownPeers } from "../__test__/mesh/harness/knownPeers.ts";
import { Lab } from "../__test__/mesh/harness/lab.ts";
import { clientProgram, type MeshNode } from "../__test__/mesh/harness/node.ts";
import { delay, timed, until } from "../__test__/mesh/harness/time.ts";
import { type Bench, sampled } from "./measure.ts";

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
      leaveKnownPeers(node, mesh_ip);
      await node.startAndWait();
      await until("it knows them", 30_000, async () => {
        const { total } = await node.rpc<{ total: number }>("peers.count");
        return total === KNOWN_PEERS;
      });
      await delay(settleMs);
      return [
        {
          name: "status-1000",
          what: `wgmesh status, of a daemon that knows ${KNOWN_PEERS} peers`,
          unit: "ms",
          goal: "≤ 250 ms",
          samples: await sampled(() => clientMs(node, "status")),
        },
        {
          name: "peers-1000",
          what: `wgmesh peers list, of ${KNOWN_PEERS} peers`,
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
