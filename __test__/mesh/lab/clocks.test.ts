/** Clocks that turn the hour, and clocks that are wrong: what can work does, and what cannot is told. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { daemonProgram, type MeshNode } from "../harness/node.ts";
import { SteadyPing } from "../harness/ping.ts";
import { allowanceMs, delay, until } from "../harness/time.ts";
import { addNodeAt, launch, newMesh, untilAllAnswer, untilAnswered } from "./scenario.ts";
import type { Site } from "./site.ts";
import { useInternet } from "./useInternet.ts";

const meetingMs = 5000;
const hourMs = 3_600_000;
/** What others live through meanwhile: WGMESH_NAT_MINUTES=1 waits as long as life would. Else sessions are seconds old, which proves no path. */
const sleepMs = process.env.WGMESH_NAT_MINUTES === "1" ? 600_000 : 1_000;

/** Debian has it in a folder named after the machine. */
function fakeTimeLibrary(): string {
  const folder = readdirSync("/usr/lib").find((name) => name.endsWith("-linux-gnu"));
  return `/usr/lib/${folder}/faketime/libfaketime.so.1`;
}

/** The daemon with the system's clock so many seconds ahead; the monotonic clock stays as it is. */
const withClock = (aheadSeconds: number): readonly string[] => [
  "env",
  `LD_PRELOAD=${fakeTimeLibrary()}`,
  `FAKETIME=${aheadSeconds < 0 ? "" : "+"}${aheadSeconds}`,
  "FAKETIME_DONT_FAKE_MONOTONIC=1",
  process.execPath,
  daemonProgram,
];

/**
 * What a node sees of a suspended machine: afterwards the clock of the system and the one that counts from its boot are further, the
 * monotonic one is not. Node reads the boot clock from /proc/uptime, which is a file of ours in the node's own view of the files.
 */
class SuspendableClock {
  readonly program: readonly string[];
  readonly #wallFile: string;
  readonly #uptimeFile: string;

  constructor(folder: string, behindSeconds: number) {
    this.#wallFile = path.join(folder, "wall");
    this.#uptimeFile = path.join(folder, "uptime");
    writeFileSync(this.#wallFile, `-${behindSeconds}\n`);
    writeFileSync(this.#uptimeFile, readFileSync("/proc/uptime"));
    const [env = "", ...rest] = withClock(0).filter((word) => !word.startsWith("FAKETIME="));
    const clocks = [`FAKETIME_TIMESTAMP_FILE=${this.#wallFile}`, "FAKETIME_NO_CACHE=1"];
    const mount = ["sh", "-c", 'mount --bind "$0" /proc/uptime && exec "$@"', this.#uptimeFile];
    this.program = [...mount, env, ...clocks, ...rest];
  }

  /** So long later on all clocks but the monotonic one; the system's is then `aheadSeconds` ahead. */
  passed(seconds: number, aheadSeconds: number): void {
    const [up = "0", ...rest] = readFileSync(this.#uptimeFile, "utf8").split(" ");
    writeFileSync(this.#uptimeFile, [(Number(up) + seconds).toFixed(2), ...rest].join(" "));
    writeFileSync(this.#wallFile, `+${aheadSeconds}\n`);
  }
}

describe("a machine that was suspended", () => {
  const internet = useInternet();
  const homes = [internet.addSite("restricted", "PR"), internet.addSite("masqueraded", "M")] as const;
  const [bed, desk] = homes;
  const open = internet.addSite("open", "O");

  beforeAll(async () => {
    await internet.startServers();
    for (const site of homes) site.addHost(`${site.name}-probe`);
    await internet.verifyAll();
  });

  test("is back in the mesh within seconds of waking", async () => {
    const secretFile = newMesh(internet, "suspended");
    // As far behind as ahead afterwards: nearly ten minutes, with clocks that are near enough to each other all the time.
    const clock = new SuspendableClock(internet.lab.newFolder("clock"), 290);
    const sleeper = addNodeAt(internet, bed, "sleeper", { secretFile, program: clock.program });
    const awake = addNodeAt(internet, desk, "awake", { secretFile });
    const introducer = addNodeAt(internet, open, "introducer", { secretFile });
    const nodes = [sleeper, awake, introducer];
    const members = await launch(nodes);
    const [one, other] = members;
    if (one === undefined || other === undefined) throw new Error("no mesh");
    await untilAllAnswer(members, meetingMs);
    sleeper.signal("SIGSTOP");
    bed.forget();
    await delay(sleepMs);
    clock.passed(580, 290);
    sleeper.signal("SIGCONT");
    const times = await Promise.all([
      untilAnswered(one, other, meetingMs),
      untilAnswered(other, one, meetingMs),
    ]);
    console.log(`suspended for ten minutes: pings after ${times.map(Math.round).join(" and ")} ms`);
    const woke = sleeper.findLog(({ text }) => text.includes("woke from sleep"));
    expect(woke?.fields?.durationMs).toBeGreaterThan(570_000);
    await Promise.all(nodes.map((node) => node.stop()));
  });
});

describe("clocks", () => {
  const internet = useInternet();
  const sites = ["s1", "s2", "s3"].map((name) => internet.addSite(name, "O"));
  const [first, second, third] = sites as [Site, Site, Site];

  beforeAll(async () => {
    await internet.startServers();
  });

  const nodeAt = (site: Site, name: string, secretFile: string, aheadSeconds: number): MeshNode =>
    addNodeAt(internet, site, name, { secretFile, program: withClock(aheadSeconds) });

  test("the hour turns: nothing is lost, and who comes after it finds the others", async () => {
    const secretFile = newMesh(internet, "hour");
    // The hour turns so many seconds after the launch.
    const turnsAfterMs = 15_000;
    const launchedMs = Date.now();
    const ahead = Math.round((hourMs - ((launchedMs + turnsAfterMs) % hourMs)) / 1000);
    const early = [nodeAt(first, "early1", secretFile, ahead), nodeAt(second, "early2", secretFile, ahead)];
    const members = await launch(early);
    await untilAllAnswer(members, meetingMs);
    const ping = new SteadyPing(early[0] as MeshNode, members[1]?.status.mesh_ip ?? "", 100);
    await until("the hour has turned", turnsAfterMs * 4, () => Date.now() > launchedMs + turnsAfterMs + 2000);
    const late = await launch([nodeAt(third, "late", secretFile, ahead)]);
    await untilAllAnswer([...members, ...late], meetingMs);
    const { sent, lost } = await ping.finish();
    expect(sent).toBeGreaterThan(20);
    expect(lost).toEqual([]);
    await Promise.all([...members, ...late].map(({ node }) => node.stop()));
  });

  test("a clock that is 5 minutes wrong keeps nobody apart", async () => {
    const secretFile = newMesh(internet, "five");
    const nodes = [nodeAt(first, "right5", secretFile, 0), nodeAt(second, "wrong5", secretFile, 300)];
    await untilAllAnswer(await launch(nodes), meetingMs);
    await Promise.all(nodes.map((node) => node.stop()));
  });

  test.each([11, -11, 61, -61])("a clock that is %i minutes wrong is told of by both", async (minutes) => {
    const secretFile = newMesh(internet, `wrong${minutes}`);
    const right = addNodeAt(internet, first, `right${minutes}`, { secretFile });
    const wrong = addNodeAt(internet, second, `wrong${minutes}`, {
      secretFile,
      program: withClock(minutes * 60),
    });
    // Who refuses a message does not answer it: each hears of the other's clock when that speaks.
    right.start("--peer", wrong.host.address);
    wrong.start("--peer", right.host.address);
    await Promise.all([right.untilRunning(), wrong.untilRunning()]);
    const size = Math.abs(minutes);
    await untilTold(right, `${size} minutes ${minutes > 0 ? "ahead of" : "behind"} ours`);
    await untilTold(wrong, `${size} minutes ${minutes > 0 ? "behind" : "ahead of"} ours`);
    expect(await right.wgPeers()).toEqual([]);
    await Promise.all([right, wrong].map((node) => node.stop()));
  });

  test.each([11, -61])(
    "two that only the DHT brings together, one %i minutes wrong, are both told why not",
    async (minutes) => {
      const secretFile = newMesh(internet, `dht${minutes}`);
      const nodes = [
        nodeAt(first, `right-dht${minutes}`, secretFile, 0),
        nodeAt(second, `wrong-dht${minutes}`, secretFile, minutes * 60),
      ] as const;
      await launch(nodes);
      const size = Math.abs(minutes);
      await untilTold(nodes[0], `${size} minutes ${minutes > 0 ? "ahead of" : "behind"} ours`);
      await untilTold(nodes[1], `${size} minutes ${minutes > 0 ? "behind" : "ahead of"} ours`);
      await Promise.all(nodes.map((node) => node.stop()));
    },
  );
});

/** In the status, for who asks, and in the log. */
async function untilTold(node: MeshNode, text: string): Promise<void> {
  await until(`${node.name} tells of "${text}"`, allowanceMs(5000), async () => {
    const { layers } = await node.rpc<{ layers: { last_error: string | null }[] }>("daemon.status");
    return layers.some(({ last_error }) => last_error?.includes(text));
  });
  expect(node.findLog(({ text: line }) => line.includes(text))).toBeDefined();
}
