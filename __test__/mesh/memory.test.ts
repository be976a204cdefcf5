/**
 * Nobody gets at a running daemon's keys: not by a heap snapshot, a core dump or a debugger of the same user.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { MeshSecret } from "@wgmesh/native";
import { describe, expect, test } from "vitest";
import { testAddon } from "../unit/native/testAddon.ts";
import { daemonProgram } from "./harness/node.ts";
import { pingAllPairs } from "./harness/ping.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const outsider = path.resolve("__test__/mesh/memory/outsider.py");

/** Every form in which a key could stand in a text. */
function forms(key: Buffer): string[] {
  return [
    key.toString("base64"),
    key.toString("base64url"),
    key.toString("hex"),
    key.toString("hex").toUpperCase(),
  ];
}

describe("the heap of a running daemon", () => {
  const lab = useLab();

  test("has neither the secret nor any key, in any form", async () => {
    const program = [process.execPath, "--heapsnapshot-signal=SIGUSR2", daemonProgram];
    const nodes = ["watched", "other"].map((name) => lab.addNode(name, { program }));
    const [watched] = nodes;
    if (watched === undefined) throw new Error("no node");
    for (const node of nodes) node.start();
    const members = await Promise.all(
      nodes.map(async (node) => ({ node, status: await node.untilRunning() })),
    );
    await pingAllPairs(members, 5000);
    expect((await watched.client("reload")).code).toBe(0);

    const text = readFileSync(lab.secretFile, "utf8").trim();
    const state = JSON.parse(readFileSync(path.join(watched.stateDir, "wg0.json"), "utf8"));
    const derived = testAddon().derivedForTests(testAddon().MeshSecret.fromFile(lab.secretFile));
    const keys = ["gossip_key_hex", "wg_psk_hex", "membership_key_hex", "epoch_seed_hex"] as const;
    const secrets = new Map([
      ["the secret", [text.replace("wgmesh://v1/", "")]],
      ["the private key", forms(Buffer.from(state.wg_private_key, "base64"))],
      ...keys.map((name) => [name, forms(Buffer.from(derived[name], "hex"))] as const),
    ]);
    const shown = await watched.exec(["wg", "show", "wg0", "preshared-keys"]);
    expect(shown.stdout, "the keys we look for are those in use").toContain(secrets.get("wg_psk_hex")?.[0]);

    watched.signal("SIGUSR2");
    const heap = await until("a whole heap snapshot", allowanceMs(3000), () => {
      const file = readdirSync(watched.host.folder).find((name) => name.endsWith(".heapsnapshot"));
      const content = file === undefined ? "" : readFileSync(path.join(watched.host.folder, file), "utf8");
      return content.trimEnd().endsWith("]}") && content;
    });
    expect(heap, "what is not secret is found").toContain(state.wg_pubkey);
    expect(heap).toContain(MeshSecret.fromFile(lab.secretFile).parameters().networkId);
    for (const [what, texts] of secrets) {
      for (const form of texts) expect(heap.includes(form), what).toBe(false);
    }
  });
});

describe("another process of the user that the daemon runs as", () => {
  const lab = useLab();

  /** As a service of a user without a name: the rights the daemon needs, and those to read a checkout in a closed folder. */
  const rights = "+net_admin,+dac_override";
  const asUser = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    `--inh-caps=${rights}`,
    `--ambient-caps=${rights}`,
  ];

  test("cannot look into it, attach to it, or have it dump its memory", async () => {
    const program = [...asUser, process.execPath, daemonProgram];
    const node = lab.addNode("guarded", { program: ["python3", outsider, "watch", ...program] });
    const { pid } = await node.startAndWait();

    const looked = await node.exec([...asUser, "python3", outsider, "look", `${pid}`]);
    expect(JSON.parse(looked.stdout)).toEqual({
      owner: 0,
      environ: "EACCES",
      maps: "EACCES",
      mem: "EACCES",
      ptrace: "EPERM",
    });

    process.kill(pid, "SIGABRT");
    await node.exit();
    const end = node.log.map(({ text }) => text).find((text) => text.startsWith('{"signal"'));
    expect(JSON.parse(end ?? "null")).toEqual({ signal: "SIGABRT", core: false });
    expect(readdirSync(node.host.folder).filter((name) => name.startsWith("core"))).toEqual([]);
  });

  test("could do all of that to a process that does not forbid it", async () => {
    const node = lab.addNode("control");
    const here = ["sh", "-c", 'cd "$0" && ulimit -c unlimited && exec "$@"', node.host.folder];
    const { stdout } = await node.exec([...here, ...asUser, "python3", outsider, "control"]);
    expect(JSON.parse(stdout)).toEqual({
      owner: 65534,
      environ: "done",
      maps: "done",
      mem: "done",
      ptrace: "done",
      core: true,
    });
  });
});
