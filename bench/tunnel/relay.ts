/** What goes through a relay, against the same two ends over the same three hosts without one. */
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import {
  eventually,
  pointAt,
  type Relayed,
  type Side,
  withRelayed,
} from "../../__test__/unit/native/relayed.ts";
import { type Bench, type Measure, rounds } from "../measure.ts";
import { cpuMs } from "./ends.ts";

/** Seconds that count, after {@link warmUpSeconds} that do not. */
const seconds = 4;
const warmUpSeconds = 1;
const streams = [1, 8] as const;

interface Moved {
  /** Mbit/s that the receiver counted. */
  readonly megabits: number;
  /** CPU seconds of the host in the middle for 10⁹ bytes that arrived. */
  readonly relayCpu: number;
}

interface Sample {
  readonly relayed: readonly Moved[];
  readonly direct: readonly Moved[];
}

/** TCP from one end to the other by iperf3. */
async function move({ a, b, relay }: Relayed, parallel: number): Promise<Moved> {
  const at = ({ end }: Side, ...command: string[]) =>
    spawn("nsenter", [`--target=${end.pid}`, "--net", ...command], {
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 10_000 * (seconds + warmUpSeconds),
    });
  const server = at(b, "iperf3", "-s", "-1");
  try {
    await eventually("iperf3 listens", async () => b.end.run("ss -ltn").includes(":5201"));
    const before = cpuMs(relay.pid);
    const time = ["-t", String(seconds), "-O", String(warmUpSeconds), "-J"];
    const client = at(a, "iperf3", "-c", b.inner, ...time, "--parallel", String(parallel));
    const report = await text(client.stdout);
    if (report === "") throw new Error("iperf3 ended without a word, or not in time");
    const { error, end } = JSON.parse(report);
    if (error !== undefined) throw new Error(`iperf3: ${error}`);
    const bits: number = end.sum_received.bits_per_second;
    // It works through the warm-up as well.
    const gigabytes = (bits * (seconds + warmUpSeconds)) / 8e9;
    return { megabits: bits / 1e6, relayCpu: (cpuMs(relay.pid) - before) / 1000 / gigabytes };
  } finally {
    server.kill("SIGKILL");
  }
}

async function moveAll(world: Relayed): Promise<Moved[]> {
  const moved = [];
  for (const parallel of streams) moved.push(await move(world, parallel));
  return moved;
}

/** From here on the host in the middle routes, and the ends speak to each other. */
async function goDirect({ a, b, relay }: Relayed): Promise<void> {
  relay.run("sysctl -qw net.ipv4.ip_forward=1");
  const address = ({ end }: Side): string =>
    /inet (192\.0\.2\.\d+)/.exec(end.run("ip -4 address show dev under"))?.[1] ?? "";
  for (const [side, other] of [
    [a, b],
    [b, a],
  ] as const) {
    side.end.run(`ip route add default via ${side.relay.split(":")[0]}`);
    await pointAt(side, other, `${address(other)}:51820`);
    await side.end.call("closeBridge");
  }
}

async function sample(): Promise<Sample> {
  let taken: Sample = { relayed: [], direct: [] };
  await withRelayed(async (world) => {
    world.a.end.run(`ping -c 1 -W 5 ${world.b.inner}`);
    const relayed = await moveAll(world);
    await goDirect(world);
    world.a.end.run(`ping -c 1 -W 5 ${world.b.inner}`);
    taken = { relayed, direct: await moveAll(world) };
  });
  return taken;
}

export const relay: Bench = {
  name: "relay",
  async run(): Promise<Measure[]> {
    const samples: Sample[] = [];
    for (let round = 1; round <= rounds; round += 1) samples.push(await sample());
    const column = (kind: keyof Sample, index: number, read: (moved: Moved) => number): number[] =>
      samples.map((taken) => taken[kind].map(read)[index] ?? Number.NaN);
    return streams.flatMap((count, index): Measure[] => {
      const what = `TCP through a relay, ${count} ${count === 1 ? "stream" : "streams"}`;
      const megabits = ({ megabits }: Moved): number => megabits;
      return [
        {
          name: `relay-tcp${count}`,
          what,
          unit: "Mbit/s",
          goal: "",
          samples: column("relayed", index, megabits),
          against: { what: "the same tunnel, routed", samples: column("direct", index, megabits) },
        },
        {
          name: `relay-tcp${count}-cpu`,
          what: `${what}: CPU of the relay`,
          unit: "s/GB",
          goal: "",
          samples: column("relayed", index, ({ relayCpu }) => relayCpu),
        },
      ];
    });
  },
};
