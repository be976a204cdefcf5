/** What a node can do, under the rules of the service (row G9): a new secret, files that root reads, both ends of an exit node, a relay. */
import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { type Cases, note } from "../cases.ts";
import {
  call,
  FAR_INTERNET,
  good,
  leftInKernel,
  NEXT_SECRET,
  pings,
  run,
  startNode,
  status,
  UNIT,
  until,
  wgmesh,
  writeConfig,
} from "./machine.ts";

const NEXT_KEPT = "/var/lib/wgmesh/wg0.next-secret";

export const rotationCases: Cases = {
  "a new secret is taken, and the old one dropped": async () => {
    wgmesh("rotate-secret", "--secret-file", NEXT_SECRET, "--grace", "1h");
    const far = ["--iface", "far", "--socket-path", "/srv/far.sock"];
    await until("the other node hears of it", async () => {
      return (await call("rotation.get", {}, "far")).phase === "announced";
    });
    wgmesh("rotate-secret", "--accept", "--secret-file", NEXT_SECRET, ...far);
    await until("the other node has it", async () =>
      (await call("rotation.get")).peers.some(({ has }) => has),
    );
    await call("rotation.complete");
    await call("rotation.complete", {}, "far");
    const { uid, mode } = statSync(NEXT_KEPT);
    assert.deepEqual([uid, mode & 0o777], [statSync("/var/lib/wgmesh").uid, 0o600]);
    assert.notEqual(uid, 0);
    const { mesh_ip: own } = await status();
    await until("the tunnel", () => pings(own));
  },

  "started with the old credential again, it stays in the new mesh, and says so": async () => {
    writeConfig({ relay: { "relay-port": 7000 } });
    const { mesh_ip: before } = await status();
    good("systemctl", "restart", UNIT);
    assert.equal((await call("rotation.get")).phase, "completed");
    const { mesh_ip: own, warnings } = await status();
    assert.equal(own, before);
    assert.match(warnings.join("\n"), /secret/);
    note(warnings.join("\n"));
    await until("the tunnel", () => pings(own));
  },

  "installed again with the new secret, nothing of the old one is left": async () => {
    note(wgmesh("install-service", "--secret-file", NEXT_SECRET).trim());
    assert.equal((await call("rotation.get")).phase, "idle");
    assert.equal(existsSync(NEXT_KEPT), false);
    const { mesh_ip: own, warnings } = await status();
    assert.doesNotMatch(warnings.join("\n"), /secret/);
    await until("the tunnel", () => pings(own));
  },
};

export const featureCases: Cases = {
  "root reads the files of its user: doctor, configuration, backup": async () => {
    await call("config.set", { settings: { keepalive: 13 }, keep: true });
    assert.notEqual(statSync("/var/lib/wgmesh/wg0.settings.toml").uid, 0);
    const checks = ["state-directory", "state-file", "node-files", "secret", "configuration"];
    const { out } = run("wgmesh", "doctor", "--json", ...checks.flatMap((id) => ["--check", id]));
    const report: { checks: { id: string; severity: string; seen: string }[] } = JSON.parse(out);
    const bad = report.checks.filter(({ severity }) => severity !== "ok");
    assert.deepEqual(bad, []);
    note(wgmesh("config", "check").trim());
    note(wgmesh("backup", "/srv/backup.json").trim());
    assert.equal(statSync("/srv/backup.json").uid, 0);
  },

  "it relays for two that cannot reach each other": async () => {
    startNode("apart", NEXT_SECRET, "--peer", "10.9.1.1", "--no-lan-discovery");
    await until("the third node runs", () =>
      status("apart").then(
        () => true,
        () => false,
      ),
    );
    const { mesh_ip: third, pubkey } = await status("apart");
    await until("the tunnel by way of the service", () => pings(third));
    // Pings are answered before the daemon looks at the interface, and lists the peer as one that is there.
    await until("the path is told", async () => {
      const { peers } = await call("peers.list", {}, "far");
      return peers.find((peer) => peer.pubkey === pubkey)?.path === "relayed";
    });
  },

  "as an exit node it gives others its address": async () => {
    writeConfig({ relay: { "relay-port": 7000 }, routes: { "advertise-exit-node": true } });
    good("systemctl", "reload", UNIT);
    const { pubkey } = await status();
    await call("config.set", { settings: { "exit-node": pubkey } }, "far");
    const { mesh_ip: far } = await status("far");
    await until("the Internet", () => pings("10.88.0.2", "-I", far));
    assert.match(good("nft", "list", "ruleset"), /masquerade/);
    await call("config.unset", { keys: ["exit-node"] }, "far");
    await until("the Internet is gone", () => !pings("10.88.0.2", "-I", far));
  },

  "it uses an exit node": async () => {
    writeConfig({ relay: { "relay-port": 7000 } });
    good("systemctl", "reload", UNIT);
    await until("its own offer is taken back", () =>
      leftInKernel().every((line) => !line.startsWith("table")),
    );
    await call("config.set", { settings: { "advertise-exit-node": true } }, "far");
    const reaches = (): boolean => run("ping", "-c1", "-W1", FAR_INTERNET).code === 0;
    assert.equal(reaches(), false);
    await call("config.set", { settings: { "exit-node": (await status("far")).pubkey } });
    await until("the Internet", reaches);
    assert.ok(leftInKernel().some((line) => line.includes("proto 111")));
    // The other nodes are reached as before.
    assert.ok(pings((await status()).mesh_ip));
  },
};
