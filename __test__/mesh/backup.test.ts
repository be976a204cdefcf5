/** A node is backed up, put on a fresh machine, and is the same node to the others there. */
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import type { Outcome } from "./harness/exec.ts";
import { clientProgram, type MeshNode } from "./harness/node.ts";
import { formMesh, pingAllPairs } from "./harness/ping.ts";
import { useLab } from "./harness/useLab.ts";

interface Imported {
  readonly applied: boolean;
  readonly parts: readonly { readonly part: string; readonly outcome: string }[];
}

/** These verbs look at files, so they take no place of a socket. */
const wgmesh = (node: MeshNode, ...args: string[]): Promise<Outcome> =>
  node.exec([process.execPath, clientProgram, ...args, "--state-dir", node.stateDir]);

describe("backup, export and import", () => {
  const lab = useLab();
  const one = lab.addNode("one");
  const two = lab.addNode("two");
  const fresh = lab.addNode("fresh");

  test("a backup restored on a fresh machine gives the same key, mesh addresses and peers", async () => {
    const members = await formMesh([one, two]);
    const backup = path.join(lab.folder, "one.json");
    const password = path.join(lab.folder, "password");
    writeFileSync(password, "correct horse\n", { mode: 0o600 });
    const sealing = ["--password-file", password];

    // The peers are in the file once the node has saved them.
    const privateKey = (): string =>
      (JSON.parse(readFileSync(path.join(one.stateDir, "wg0.json"), "utf8")) as { wg_private_key: string })
        .wg_private_key;
    await one.stop();
    const made = await wgmesh(one, "backup", backup, ...sealing, "--json");
    expect(made).toMatchObject({ code: 0 });
    expect(JSON.parse(made.stdout)).toMatchObject({ parts: ["identity", "peers"], sealed: true });
    expect(statSync(backup).mode & 0o777).toBe(0o600);
    expect(readFileSync(backup, "utf8")).not.toContain(privateKey());

    const wrong = path.join(lab.folder, "wrong");
    writeFileSync(wrong, "wrong horse", { mode: 0o600 });
    const refused = await wgmesh(fresh, "import", backup, "--password-file", wrong, "--json");
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain("the password does not open it");

    const dry = await wgmesh(fresh, "import", backup, "--dry-run", ...sealing, "--json");
    expect(JSON.parse(dry.stdout) as Imported).toMatchObject({
      applied: false,
      parts: [
        { part: "identity", outcome: "new" },
        { part: "peers", outcome: "new" },
      ],
    });
    const done = await wgmesh(fresh, "import", backup, ...sealing, "--json");
    expect(done).toMatchObject({ code: 0 });

    // Without LAN discovery or anything else, the peers of the backup are all it knows.
    fresh.start("--no-lan-discovery");
    const status = await fresh.untilRunning();
    const [before, member] = members;
    if (before === undefined || member === undefined) throw new Error("no members");
    expect([status.pubkey, status.mesh_ip, status.mesh_ipv6]).toEqual([
      before.status.pubkey,
      before.status.mesh_ip,
      before.status.mesh_ipv6,
    ]);
    await pingAllPairs([{ node: fresh, status }, member], 20_000);

    // A node that runs keeps its files: only a dry run is let in.
    const running = await wgmesh(fresh, "import", backup, ...sealing, "--json");
    expect(running.code).toBe(5);
    expect(running.stderr).toContain("wgmesh down");
    expect((await wgmesh(fresh, "import", backup, "--dry-run", ...sealing, "--json")).code).toBe(0);

    // Another key is not done away with unasked.
    await two.stop();
    const kept = readFileSync(path.join(two.stateDir, "wg0.json"), "utf8");
    const foreign = await wgmesh(two, "import", backup, ...sealing, "--json");
    expect(foreign.code).toBe(2);
    expect(foreign.stderr).toContain("has another key");
    expect(readFileSync(path.join(two.stateDir, "wg0.json"), "utf8")).toBe(kept);
    const forced = await wgmesh(two, "import", backup, "--force", ...sealing, "--json");
    expect(forced.code).toBe(0);
    expect(readFileSync(path.join(two.stateDir, "wg0.json"), "utf8")).toContain(before.status.pubkey);
  });

  test("an export has no key unless it is named, and goes through a pipe", async () => {
    const exported = await wgmesh(one, "export");
    expect(exported.code).toBe(0);
    expect(Object.keys((JSON.parse(exported.stdout) as { parts: object }).parts)).toEqual(["peers"]);
    const named = await wgmesh(one, "export", "--part", "identity");
    expect(Object.keys((JSON.parse(named.stdout) as { parts: object }).parts)).toEqual(["identity"]);
    const bad = await wgmesh(one, "export", "--part", "keys");
    expect(bad.code).toBe(2);
    expect(bad.stderr).toContain("identity, peers, clients, reload, settings, config");
  });

  test("what a newer release has put into a backup is named, and the rest is taken", async () => {
    const { stdout } = await wgmesh(one, "export", "--part", "peers");
    const exported = JSON.parse(stdout) as { parts: object };
    const file = path.join(one.host.folder, "newer.json");
    const newer = { ...exported, parts: { ...exported.parts, "st\u001bars": { sirius: 1 } } };
    writeFileSync(file, JSON.stringify(newer), { mode: 0o600 });
    const shown = await wgmesh(one, "import", file, "--dry-run", "--json");
    expect(shown).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('also has "st\\u001bars", which'),
    });
    expect(JSON.parse(shown.stdout)).toMatchObject({ parts: [{ part: "peers" }], unknown: ["st\u001bars"] });
  });

  test("root keeps the files of a service's user for that user", async () => {
    const SERVICE = 65_534;
    const folder = mkdtempSync(path.join(tmpdir(), "wgmesh-service-"));
    try {
      chmodSync(folder, 0o755);
      const stateDir = path.join(folder, "state");
      mkdirSync(stateDir, { mode: 0o700 });
      const asRoot = (...args: string[]): Promise<Outcome> =>
        fresh.exec([process.execPath, clientProgram, ...args, "--state-dir", stateDir]);
      const give = (name: string, text: string): void => {
        writeFileSync(path.join(stateDir, name), text, { mode: 0o600 });
        chownSync(path.join(stateDir, name), SERVICE, SERVICE);
      };
      give("wg0.json", readFileSync(path.join(one.stateDir, "wg0.json"), "utf8"));
      give("wg0.settings.toml", "[interface]\nkeepalive = 13\n");
      chownSync(stateDir, SERVICE, SERVICE);

      const backup = path.join(folder, "backup.json");
      expect(await asRoot("backup", backup)).toMatchObject({ code: 0, stderr: "" });
      expect(statSync(backup).uid).toBe(0);
      const checks = ["state-file", "node-files"].flatMap((id) => ["--check", id]);
      expect(await asRoot("doctor", ...checks)).toMatchObject({ code: 0 });

      give("wg0.settings.toml", "[interface]\nkeepalive = 14\n");
      rmSync(path.join(stateDir, "wg0.json"));
      expect(await asRoot("import", backup)).toMatchObject({ code: 0, stderr: "" });
      expect(readFileSync(path.join(stateDir, "wg0.settings.toml"), "utf8")).toContain("= 13");
      expect(readdirSync(stateDir).sort()).toEqual(["wg0.json", "wg0.lock", "wg0.settings.toml"]);
      for (const name of readdirSync(stateDir)) {
        expect(statSync(path.join(stateDir, name)), name).toMatchObject({ uid: SERVICE, gid: SERVICE });
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
