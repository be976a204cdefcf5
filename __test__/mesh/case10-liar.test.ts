import path from "node:path";
import { expect, test } from "vitest";
import { run } from "./harness/exec.ts";
import type { PeerJson, StatusJson } from "./harness/node.ts";
import { formMesh, type Member, SteadyPing } from "./harness/ping.ts";
import { allowanceMs } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const lab = useLab();
const victim = lab.addNode("victim");
const friend = lab.addNode("friend");
const liar = lab.addHost("liar");
const lies = 60;

/** What a lie could change. */
const wordOf = ({
  hostname,
  mesh_ip,
  mesh_ipv6,
  endpoint,
  routable_networks,
  proven,
}: PeerJson & Word): Word => ({
  hostname,
  mesh_ip,
  mesh_ipv6,
  endpoint,
  ...(routable_networks && { routable_networks }),
  proven,
});

type Word = Pick<PeerJson, "mesh_ip" | "mesh_ipv6" | "endpoint"> & {
  readonly hostname: string;
  readonly routable_networks?: readonly string[];
  readonly proven: boolean;
};

test("a member that speaks in another's name changes nothing and costs no ping", async () => {
  const [, inFriend] = (await formMesh([victim, friend])) as [Member, Member];
  const { pubkey } = inFriend.status;
  const friendAt = (): Promise<PeerJson & Word> => victim.clientJson("peers", "get", pubkey);
  const before = wordOf(await friendAt());
  expect(before.proven).toBe(true);

  const ping = new SteadyPing(victim, inFriend.status.mesh_ip, 20);
  const script = path.join(import.meta.dirname, "hostile/liar.py");
  const args = [lab.secretFile, victim.host.address, String(lies), pubkey];
  const command = ["ip", "netns", "exec", liar.namespace, "/usr/bin/python3", "-B", script, ...args];
  expect(await run(command, { limitMs: allowanceMs(12_000) })).toMatchObject({
    code: 0,
    stdout: `${lies}\n`,
  });
  const { sent, lost } = await ping.finish();

  expect(sent).toBeGreaterThan(100);
  expect(lost).toEqual([]);
  expect(wordOf(await friendAt())).toEqual(before);
  const { counters } = await victim.rpc<StatusJson>("daemon.status");
  expect(counters.unproven).toBeGreaterThanOrEqual(lies / 2);
  expect(counters.left).toBe(0);
});
