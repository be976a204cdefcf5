/** The service is stopped, used with other backends, and taken away. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { type Cases, note } from "../cases.ts";
import {
  answering,
  before,
  dropIn,
  dropOut,
  endOthers,
  forwards,
  good,
  leftInKernel,
  NEXT_SECRET,
  pings,
  run,
  SECRET,
  shown,
  status,
  traces,
  UNIT,
  until,
  wgmesh,
  writeConfig,
} from "./machine.ts";

const KEY = "/var/lib/wgmesh/wg0.json";

export const removalCases: Cases = {
  "wgmesh down ends it for good": async () => {
    run("wgmesh", "down");
    await until("the end", () => shown("ActiveState") === "inactive");
    assert.deepEqual(leftInKernel(), []);
    assert.equal(shown("Result"), "success");
    assert.notEqual(run("ip", "link", "show", "wg0").code, 0);
    assert.equal(forwards("behind"), "0");
  },

  "a backup is put back, and wireguard-go has its TUN device; the secret is encrypted, the log a file":
    async () => {
      const key = readFileSync(KEY, "utf8");
      rmSync(KEY);
      note(wgmesh("import", "/srv/backup.json").trim());
      assert.equal(statSync(KEY).uid, statSync("/var/lib/wgmesh").uid);
      good(
        "systemd-creds",
        "encrypt",
        "--with-key=host",
        "--name=secret",
        NEXT_SECRET,
        "/etc/wgmesh/wg0.cred",
      );
      dropIn("credential", "LoadCredential=\nLoadCredentialEncrypted=secret:/etc/wgmesh/wg0.cred");
      renameSync("/etc/wgmesh/wg0.secret", "/srv/wg0.secret");
      writeConfig({
        interface: { backend: "wireguard-go" },
        discovery: { privacy: true },
        log: { "log-file": "/var/lib/wgmesh/wg0.log" },
      });
      good("systemctl", "start", UNIT);
      const { backend, mesh_ip: own, pubkey } = await status();
      assert.equal(backend, "wireguard-go");
      assert.equal(pubkey, JSON.parse(key).wg_pubkey);
      await until("the tunnel", () => pings(own));
      assert.match(readFileSync("/var/lib/wgmesh/wg0.log", "utf8"), /wgmeshd is ready/);
      process.kill(Number(shown("MainPID")), "SIGKILL");
      await until(
        "another process",
        async () => (await answering()) !== null && shown("ActiveState") === "active",
      );
      assert.equal(good("pgrep", "-c", "-x", "wireguard-go").trim(), "1");
      await until("the tunnel", () => pings(own));
      good("systemctl", "stop", UNIT);
      assert.equal(run("pgrep", "-u", "wgmesh").out, "");
      renameSync("/srv/wg0.secret", "/etc/wgmesh/wg0.secret");
      dropOut();
    },

  "the embedded engine has its TUN device": async () => {
    writeConfig({
      interface: { backend: "embedded" },
      routes: { "advertise-exit-node": true },
    });
    good("systemctl", "start", UNIT);
    const { backend, mesh_ip: own } = await status();
    assert.equal(backend, "embedded");
    await until("the tunnel", () => pings(own));
    const { mesh_ip: far } = await status("far");
    await until("the network behind", () => pings("10.77.0.2", "-I", far));
    assert.match(good("wg", "show", "wg0"), /listening port/);
  },

  "another interface is another service, which comes and goes alone": async () => {
    const words = ["--iface", "lan-b", "--no-dht", "--no-stun", "--listen-port", "51999"];
    note(wgmesh("install-service", "--secret-file", SECRET, ...words).trim());
    assert.equal(good("systemctl", "is-active", UNIT, "wgmesh@lan-b.service").trim(), "active\nactive");
    assert.match(wgmesh("status", "--iface", "lan-b"), /lan-b/);
    wgmesh("uninstall-service", "--iface", "lan-b", "--purge");
    assert.notEqual(run("ip", "link", "show", "lan-b").code, 0);
    assert.equal(good("systemctl", "is-active", UNIT).trim(), "active");
    const names = [
      ...readdirSync("/var/lib/wgmesh"),
      ...readdirSync("/run/wgmesh"),
      ...readdirSync("/etc/wgmesh"),
    ];
    assert.deepEqual(
      names.filter((name) => name.includes("lan-b")),
      [],
    );
    assert.equal((await status()).pid, Number(shown("MainPID")));
  },

  "uninstalled, it leaves its key and configuration to root": async () => {
    await until("an exit node's table", () => leftInKernel().some((line) => line.startsWith("table")));
    const key = readFileSync("/var/lib/wgmesh/wg0.json", "utf8");
    note(wgmesh("uninstall-service").trim());
    assert.deepEqual(leftInKernel(), []);
    assert.notEqual(run("id", "wgmesh").code, 0);
    assert.notEqual(run("ip", "link", "show", "wg0").code, 0);
    assert.notEqual(run("systemctl", "cat", UNIT).code, 0);
    assert.equal(statSync("/var/lib/wgmesh/wg0.json").uid, 0);
    assert.equal(readFileSync("/var/lib/wgmesh/wg0.json", "utf8"), key);
    assert.deepEqual(readdirSync("/etc/wgmesh").sort(), ["wg0.cred", "wg0.secret", "wg0.toml"]);
  },

  "purged, it leaves nothing": () => {
    wgmesh("uninstall-service", "--purge");
    assert.deepEqual(traces(), before.traces);
    assert.equal(run("pgrep", "-u", "wgmesh").out, "");
    assert.deepEqual(
      readdirSync("/etc").filter((name) => name.includes("wgmesh")),
      [],
    );
    endOthers();
  },
};
