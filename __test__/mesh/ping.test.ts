import { expect, test } from "vitest";
import { run } from "./harness/exec.ts";
import { clientProgram, type PeerJson } from "./harness/node.ts";
import { formMesh, type Member } from "./harness/ping.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const lab = useLab();
const alice = lab.addNode("alice");
const bob = lab.addNode("bob");
const asker = lab.addHost("asker");
let members: Member[];

interface Summary {
  readonly sent: number;
  readonly received: number;
  readonly direct: boolean;
  readonly rtt_ms: { readonly min: number; readonly max: number };
}

test("ping measures the tunnel, by key and by mesh address, and the peers view knows it then", async () => {
  members = await formMesh([alice, bob]);
  const { mesh_ip, pubkey } = (members[1] as Member).status;
  for (const name of [pubkey, mesh_ip]) {
    const summary = await alice.clientJson<Summary>("ping", name, "-c", "3");
    expect(summary).toMatchObject({ sent: 3, received: 3, direct: true });
    expect(summary.rtt_ms.min).toBeGreaterThan(0);
    expect(summary.rtt_ms.max).toBeLessThan(allowanceMs(100));
  }
  const { code, stdout } = await alice.client("ping", pubkey, "--until-direct");
  expect(code).toBe(0);
  expect(stdout).toMatch(
    new RegExp(`direct via ${bob.host.address.replaceAll(".", "\\.")}:\\d+\n1 of 1 answered`),
  );
  const peer = await alice.clientJson<PeerJson & { latency_ms?: number }>("peers", "get", pubkey);
  expect(peer.latency_ms).toBeGreaterThanOrEqual(0);
});

test("test-peer asks from outside of any node, and leaves nothing behind", async () => {
  const ask = (host: string, file = lab.secretFile, ...flags: string[]) =>
    run([
      ...["ip", "netns", "exec", asker.namespace, process.execPath, clientProgram],
      ...["test-peer", host, "--secret-file", file, ...flags],
    ]);
  const { code, stdout } = await ask(alice.host.address, lab.secretFile, "--json");
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    answered: true,
    proof: "ok",
    mesh_ip_derived: true,
    pubkey: members[0]?.status.pubkey,
    mesh_ip: members[0]?.status.mesh_ip,
    observed: expect.stringMatching(new RegExp(`^${asker.address.replaceAll(".", "\\.")}:\\d+$`)),
  });
  const known = async (): Promise<number> =>
    (await alice.clientJson<{ total: number }>("peers", "count")).total;
  await until("alice has forgotten the asker", allowanceMs(500), async () => (await known()) === 1);
  expect(await alice.wgPeers()).toHaveLength(1);
  expect(await bob.wgPeers()).toHaveLength(1);

  // Another secret is answered by nobody; nor is a host without a node.
  const stranger = await ask(alice.host.address, lab.newSecretFile("other"));
  expect([stranger.code, stranger.stdout]).toEqual([11, ""]);
  expect(stranger.stderr).toContain("no answer within 10 s");
});
