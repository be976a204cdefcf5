/** The service is killed, stopped, reloaded and restarted. */
import assert from "node:assert/strict";
import { type Cases, note } from "../cases.ts";
import {
  answering,
  call,
  dropIn,
  dropOut,
  good,
  PATIENT,
  pings,
  run,
  shown,
  status,
  UNIT,
  until,
  withConfig,
} from "./machine.ts";

export const lifeCases: Cases = {
  "killed, it is started again": async () => {
    const { pid, mesh_ip: own } = await status();
    process.kill(pid, "SIGKILL");
    await until("another process", async () => ![pid, null].includes(await answering()));
    assert.equal(shown("NRestarts"), "1");
    await until("the tunnel", () => pings(own));
  },

  "stopped without a word, it is ended by the watchdog and started again": async () => {
    const { pid } = await status();
    process.kill(pid, "SIGSTOP");
    // The unit has more patience than a test, and needs it on a slow machine.
    dropIn("soon", "WatchdogSec=5");
    await until("another process", () => shown("NRestarts") === "2");
    // The new process was started with as little patience, and the restart in place that follows needs more than the unit's on a slow machine.
    dropIn("soon", PATIENT);
    good("systemctl", "restart", UNIT);
    assert.match(good("journalctl", "-u", UNIT), /Watchdog timeout/);
    await until("an answer", async () => (await answering()) !== null);
  },

  "reload waits for what came of it": async () => {
    const { pid } = await status();
    const keepalive = async (): Promise<unknown> =>
      (await call("config.get")).settings.find(({ key }) => key === "keepalive")?.value;
    await withConfig(
      (text) => `${text}\n[interface]\nkeepalive = 11\n`,
      async () => {
        good("systemctl", "reload", UNIT);
        assert.equal(await keepalive(), 11);
      },
    );
    await withConfig(
      (text) => `${text}\n[interface]\nkeepalive = "often"\n`,
      async () => {
        assert.notEqual(run("systemctl", "reload", UNIT).code, 0);
        assert.equal(await keepalive(), 11);
      },
    );
    assert.equal(shown("MainPID"), String(pid));
    assert.equal(good("systemctl", "is-active", UNIT).trim(), "active");
  },

  "a restart in place keeps process and service": async () => {
    const { pid, mesh_ip: own } = await status();
    const runId = shown("InvocationID");
    const restarts = shown("NRestarts");
    // Not by `wgmesh restart`: it has no patience with an emulated machine.
    await call("daemon.restart");
    await until("the successor is ready", () => {
      const lines = good("journalctl", "-u", UNIT, "-o", "cat", `_PID=${pid}`);
      return lines.split("wgmeshd is ready").length === 3 && shown("ActiveState") === "active";
    });
    assert.equal((await status()).pid, pid);
    assert.deepEqual([shown("MainPID"), shown("InvocationID")], [String(pid), runId]);
    await until("the tunnel", () => pings(own));
    // The successor gives its signs of life too.
    await until("a status line", () => /wg0 is up at/.test(shown("StatusText")));
    assert.equal(shown("NRestarts"), restarts);
    dropOut();
  },

  "the journal has priorities": () => {
    const entries = good("journalctl", "-u", UNIT, "-t", "wgmesh-wg0", "-o", "json")
      .split("\n")
      .filter((line) => line !== "")
      .map((line): { PRIORITY: string; MESSAGE: string } => JSON.parse(line))
      .filter(({ MESSAGE }) => MESSAGE.startsWith("{"));
    const numbers: Readonly<Record<string, string>> = { debug: "7", info: "6", warn: "4", error: "3" };
    const levels = new Set<string>();
    for (const { PRIORITY, MESSAGE } of entries) {
      const { level }: { level: string } = JSON.parse(MESSAGE);
      assert.equal(PRIORITY, numbers[level], MESSAGE);
      levels.add(level);
    }
    for (const { MESSAGE } of entries.filter(({ PRIORITY }) => PRIORITY < "6")) note(MESSAGE);
    assert.ok(levels.has("info") && levels.has("warn"), [...levels].join());
  },
};
