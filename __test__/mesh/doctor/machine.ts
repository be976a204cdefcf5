/** What may be wrong with a machine and with the files of a node. */
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { must } from "../harness/exec.ts";
import { end, finds, holdPort, isClean, lab, look, parameters, proved, secret, sh, still } from "./look.ts";

describe("without a daemon", () => {
  test("rights", async () => {
    const without = (name: string): string => `exec setpriv --bounding-set=-${name} --inh-caps=-${name} "$@"`;
    expect(await finds("rights", "error", /lacks CAP_NET_ADMIN/, { within: without("net_admin") })).toContain(
      "root",
    );
    const env = { WGMESH_BACKEND: "kernel" };
    await finds("rights", "warning", /lacks CAP_NET_RAW/, { within: without("net_raw"), env });
    // The remedy names it.
    await isClean("rights", { within: without("net_raw"), env: { WGMESH_BACKEND: "embedded" } });
    await isClean("rights", { env });
  });

  test("tun and backend", async () => {
    const hidden = "mount -t tmpfs tmpfs /dev/net";
    const env = { WGMESH_BACKEND: "embedded" };
    await finds("tun", "error", /\/dev\/net\/tun cannot be opened \(ENOENT\)/, { within: hidden, env });
    await finds("backend", "error", /--backend embedded cannot work here/, { within: hidden, env });
    const given = `${hidden} && mknod /dev/net/tun c 10 200`;
    await isClean("tun", { within: given, env });
    await isClean("backend", { within: given, env });
  });

  test("interface", async () => {
    sh("ip link add wg0 type bridge");
    await finds("interface", "error", /wg0 is a link of kind bridge/);
    sh("ip link delete wg0");
    await isClean("interface");
  });

  test("listen-port, control-port and lan-port", async () => {
    const { gossip_port: controlPort } = await parameters();
    const ports: [id: string, port: number, severity: string][] = [
      ["listen-port", 51_820, "warning"],
      ["control-port", controlPort, "error"],
      ["lan-port", 51_830, "warning"],
    ];
    for (const [id, port, severity] of ports) {
      const holder = await holdPort(port);
      const seen = new RegExp(`UDP port ${port} is held by \\S+ \\(PID ${holder.pid}\\)`);
      const remedy = await finds(id, severity, seen, { args: secret });
      expect(remedy).toMatch(/^end /);
      await end(holder);
      await isClean(id, { args: secret });
    }
    // The other remedy.
    await holdPort(51_820);
    await isClean("listen-port", { env: { WGMESH_LISTEN_PORT: "51999" } });
  });

  test("configuration", async () => {
    const file = path.join(still.host.folder, "wg0.toml");
    const args = ["--config", file];
    writeFileSync(file, "[discovery]\ndht = 7\n", { mode: 0o600 });
    const remedy = await finds("configuration", "error", /wg0\.toml:2: dht: the integer 7/, { args });
    expect(remedy).toContain("true or false");
    writeFileSync(file, "[discovery]\ndht = true\n");
    await isClean("configuration", { args });
    await finds("configuration", "warning", /WGMESH_LISTEN_PROT/, { args, env: { WGMESH_LISTEN_PROT: "1" } });
  });

  test("secret", async () => {
    const file = lab.newSecretFile("shown");
    chmodSync(file, 0o644);
    const args = ["--secret-file", file];
    const remedy = await finds("secret", "error", /shown\.secret/, { args });
    expect(remedy).toContain("chmod 600");
    must(["chmod", "600", file]);
    await isClean("secret", { args });
  });

  test("state-directory", async () => {
    const { stateDir } = still;
    mkdirSync(stateDir, { mode: 0o700 });
    chmodSync(stateDir, 0o777);
    const remedy = await finds("state-directory", "error", /can be written by others \(mode 777\)/);
    must(["sh", "-c", remedy]);
    await isClean("state-directory");
    const readOnly = `mount --bind ${stateDir} ${stateDir} && mount -o remount,bind,ro ${stateDir}`;
    await finds("state-directory", "error", /cannot be written \(EROFS\)/, { within: readOnly });
    const disk = (options: string): string => `mount -t tmpfs -o mode=0700,${options} tmpfs ${stateDir}`;
    const full = `${disk("size=64m")} && head -c 67000000 /dev/zero > ${stateDir}/filler`;
    await finds("state-directory", "error", /KiB are free/, { within: full });
    await isClean("state-directory", { within: `${full} && rm ${stateDir}/filler` });
    const crowded = `${disk("nr_inodes=2")} && touch ${stateDir}/file`;
    await finds("state-directory", "error", /no inode is free/, { within: crowded });
    await isClean("state-directory", { within: `${crowded} && rm ${stateDir}/file` });
  });

  test("state-file and node-files", async () => {
    await still.startAndWait();
    await still.stop();
    await isClean("state-file");
    const key = path.join(still.stateDir, "wg0.json");
    const backup = `${key}.backup`;
    must(["cp", "-p", key, backup]);
    writeFileSync(key, "{}");
    expect(await finds("state-file", "error", /wg0\.json/)).toContain("backup");
    must(["mv", backup, key]);
    await isClean("state-file");
    const reload = path.join(still.stateDir, "wg0.reload");
    writeFileSync(reload, "advertise-routes=nowhere\n", { mode: 0o600 });
    expect(await finds("node-files", "warning", /wg0\.reload/)).toContain("remove it");
    rmSync(reload);
    await isClean("node-files");
  });

  test("leftovers", async () => {
    await still.startAndWait();
    await still.kill9();
    await finds("leftovers", "note", /names PID \d+, which is gone.*a socket that nobody answers/);
    await still.startAndWait();
    await isClean("leftovers");
    await still.stop();
    const journal = path.join(still.stateDir, "wg0.import.json");
    writeFileSync(journal, '{"paths":[]}\n', { mode: 0o600 });
    expect(await finds("leftovers", "warning", /an import was cut off/)).toContain("start the node");
    await still.startAndWait();
    await still.stop();
    await isClean("leftovers");
  });

  test("descriptors", async () => {
    await finds("descriptors", "warning", /at most 100 files/, { within: "ulimit -n 100" });
    await isClean("descriptors", { within: "ulimit -n 4096" });
  });

  test("clock", async () => {
    await finds("clock", "error", /2020-01-01T.*years behind/, {
      within: `exec faketime "2020-01-01 00:00:00" "$@"`,
    });
    // Whether a time service keeps this machine's clock right is none of a lab's affairs.
    expect((await look("clock")).severity).not.toBe("error");
    proved.add("clock");
  });
});
