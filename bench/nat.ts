/** Meshes over NATs: from launch to pings, and what ten idle nodes cost that ask a DHT and STUN servers. */
import type { MeshNode } from "../__test__/mesh/harness/node.ts";
import type { Member } from "../__test__/mesh/harness/ping.ts";
import { delay, median } from "../__test__/mesh/harness/time.ts";
import { Internet } from "../__test__/mesh/lab/internet.ts";
import type { KindName } from "../__test__/mesh/lab/kinds.ts";
import { addNodeAt, launch, newMesh, untilAllAnswer } from "../__test__/mesh/lab/scenario.ts";
import { meshMs } from "./launch.ts";
import { type Bench, type Measure, rounds, sampled } from "./measure.ts";
import { cpuMs } from "./tunnel/ends.ts";

interface Meeting {
  readonly name: string;
  readonly what: string;
  readonly goal: string;
  readonly kinds: readonly KindName[];
  /** One more node of the mesh is public. */
  readonly introducer: boolean;
}

const meetings: readonly Meeting[] = [
  {
    name: "nat-dht",
    what: "launch → every ping answered, 3 nodes behind port-restricted NATs, DHT only",
    goal: "≤ 5000 ms",
    kinds: ["PR", "PR", "PR"],
    introducer: false,
  },
  {
    name: "nat-introducer",
    what: "the same with one public introducer",
    goal: "≤ 5000 ms",
    kinds: ["PR", "PR", "PR"],
    introducer: true,
  },
  {
    name: "nat-relay",
    what: "launch → pings answered, 2 nodes behind symmetric NATs, relayed by a public one",
    goal: "≤ 8000 ms",
    kinds: ["R", "R"],
    introducer: true,
  },
];

/** Each round has a mesh, places and mappings of its own: nothing is left of the round before. */
async function meetingMs(
  internet: Internet,
  { name, kinds, introducer }: Meeting,
  round: number,
): Promise<number> {
  const secretFile = newMesh(internet, `${name}${round}`);
  const add = (kind: KindName, index: number, ...flags: string[]): MeshNode => {
    const short = `${name}${round}${kind}${index}`.toLowerCase();
    return addNodeAt(internet, internet.addSite(short, kind), `${short}-host`, { secretFile, flags });
  };
  const ends = kinds.map((kind, index) => add(kind, index));
  await internet.verifyAll(ends.map(({ host }) => host));
  const all = introducer ? [...ends, add("O", 9)] : ends;
  // The addresses follow from the keys, which the first start makes; it asks nobody.
  const addresses = await Promise.all(
    all.map(async (node) => {
      const { mesh_ip } = await node.startAndWait("--no-dht", "--no-stun");
      await node.stop();
      return mesh_ip;
    }),
  );
  try {
    return await meshMs(all, addresses);
  } finally {
    await Promise.all(all.map((node) => node.kill9()));
  }
}

export const natMeshes: readonly Bench[] = meetings.map((meeting) => ({
  name: meeting.name,
  async run() {
    const internet = new Internet();
    try {
      await internet.startServers();
      const samples = await sampled((round) => meetingMs(internet, meeting, round));
      return [{ name: meeting.name, what: meeting.what, unit: "ms", goal: meeting.goal, samples }];
    } finally {
      internet.dispose();
    }
  },
}));

const idleKinds: readonly KindName[] = ["O", "O", "F", "S", "M", "M", "I", "FC", "AR", "PR"];
const settleMs = 30_000;
/** As long as a calm node waits between its look-ups in the DHT. */
const windowMs = 60_000;
/** Each is the median of ten nodes: more windows only cost minutes. */
const idleRounds = Math.min(rounds, 3);

/** UDP datagrams in and out of a node's host, and CPU time of the daemon, so far. */
async function spent(node: MeshNode): Promise<{ packets: number; cpu: number }> {
  const { stdout } = await node.exec(["ip", "-json", "-stats", "link", "show", "dev", "eth0"]);
  const [{ stats64 }] = JSON.parse(stdout) as [
    { stats64: { rx: { packets: number }; tx: { packets: number } } },
  ];
  return { packets: stats64.rx.packets + stats64.tx.packets, cpu: cpuMs(node.pid) };
}

export const natIdle: Bench = {
  name: "nat-idle",
  async run() {
    const internet = new Internet();
    try {
      await internet.startServers();
      const secretFile = newMesh(internet, "idle");
      const flags = ["--log-level", "info"];
      const nodes = idleKinds.map((kind, index) =>
        addNodeAt(internet, internet.addSite(`idle${index}`, kind), `idle${index}-host`, {
          secretFile,
          flags,
        }),
      );
      // One after the other: what counts comes later, and ten starts at once are too much for a machine with other work.
      const members: Member[] = [];
      for (const node of nodes) members.push(...(await launch([node])));
      await untilAllAnswer(members, 10_000);
      await delay(settleMs);
      const rows: Measure[] = [
        {
          name: "nat-idle-cpu",
          what: "idle CPU of a node, 10 nodes over the Internet",
          unit: "%",
          goal: "≤ 0.1 %",
          samples: [],
        },
        {
          name: "nat-idle-packets",
          what: "packets in and out of it",
          unit: "1/min",
          goal: "lower",
          samples: [],
        },
      ];
      const samples: { cpu: number; packets: number }[] = [];
      for (let round = 0; round < idleRounds; round += 1) {
        const before = await Promise.all(nodes.map(spent));
        await delay(windowMs);
        const after = await Promise.all(nodes.map(spent));
        const used = (what: "cpu" | "packets"): number =>
          median(after.map((now, index) => (now[what] - (before[index]?.[what] ?? 0)) * (60_000 / windowMs)));
        samples.push({ cpu: (used("cpu") / 60_000) * 100, packets: used("packets") });
      }
      return rows.map((row, index) => ({
        ...row,
        samples: samples.map((one) => (index === 0 ? one.cpu : one.packets)),
      }));
    } finally {
      internet.dispose();
    }
  },
};
