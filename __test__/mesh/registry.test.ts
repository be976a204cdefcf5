import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Host } from "./harness/lab.ts";
import { daemonProgram, type MeshNode } from "./harness/node.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const lab = useLab();
const port = 8099;
const file = path.join(lab.folder, "tracker.json");
const ends: (() => void)[] = [];
afterAll(() => {
  for (const end of ends) end();
});

/** The tracker on the host's own loopback; all of them share one file, as the real one is the same from everywhere. */
function serve({ namespace }: Host): void {
  const script = path.join(import.meta.dirname, "registry/server.py");
  const command = ["netns", "exec", namespace, "/usr/bin/python3", "-B", script, String(port), file];
  const child = spawn("ip", command, { stdio: "ignore" });
  ends.push(() => child.kill("SIGKILL"));
}

function addNode(name: string, environment: readonly string[], flags: readonly string[]): MeshNode {
  const host = lab.addHost(name);
  serve(host);
  const place = [`WGMESH_REGISTRY_URL=http://127.0.0.1:${port}`, ...environment];
  const program = ["env", ...place, process.execPath, daemonProgram];
  return lab.addNode(
    name,
    { program, flags: ["--no-lan-discovery", "--no-stun", "--registry", ...flags] },
    host,
  );
}

test("a node that knows nobody finds the mesh by the registry's entry, which nobody else can read", async () => {
  const meeting = lab.addNode("meeting", { flags: ["--no-lan-discovery", "--no-stun"] });
  await meeting.startAndWait();
  const token = "token-of-the-test";
  const writer = addNode("writer", [`GITHUB_TOKEN=${token}`], ["--peer", meeting.host.address]);
  const { mesh_ip, pubkey } = await writer.startAndWait();
  // It knows from the node it met where it is seen, and tells the registry.
  await until("the registry has an entry", allowanceMs(15_000), () => existsSync(file));
  const text = readFileSync(file, "utf8");
  expect(text).toContain("PEERS:");
  for (const secret of [writer.host.address, pubkey, token]) expect(text).not.toContain(secret);

  const stranger = addNode("stranger", [], []);
  await stranger.startAndWait();
  await stranger.pingUntilAnswered(mesh_ip, allowanceMs(15_000));
  // And by it the rest of the mesh.
  const { mesh_ip: other } = await meeting.rpc<{ mesh_ip: string }>("daemon.status");
  await stranger.pingUntilAnswered(other, allowanceMs(5_000));
  expect(writer.logTail(10_000) + stranger.logTail(10_000)).not.toContain(token);
});
