/** Clocks that turn the hour, and clocks that are wrong: what can work does, and what cannot is told. */
import { readdirSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { daemonProgram, type MeshNode } from "../harness/node.ts";
import { SteadyPing } from "../harness/ping.ts";
import { allowanceMs, until } from "../harness/time.ts";
import { addNodeAt, launch, newMesh, untilAllAnswer } from "./scenario.ts";
import type { Site } from "./site.ts";
import { useInternet } from "./useInternet.ts";

const meetingMs = 5000;
const hourMs = 3_600_000;

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
});

/** In the status, for who asks, and in the log. */
async function untilTold(node: MeshNode, text: string): Promise<void> {
  await until(`${node.name} tells of "${text}"`, allowanceMs(5000), async () => {
    const { layers } = await node.rpc<{ layers: { last_error: string | null }[] }>("daemon.status");
    return layers.some(({ last_error }) => last_error?.includes(text));
  });
  expect(node.findLog(({ text: line }) => line.includes(text))).toBeDefined();
}
