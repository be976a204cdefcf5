/** Limits, a firewall mark, hooks, and the log sent to journald's own socket: each under the rules of the service, all at once. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { type Cases, note } from "../cases.ts";
import {
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
  writeConfig,
} from "./machine.ts";

const HOOKS = "/srv/hooks";
const UP_HOOK = `${HOOKS}/up`;
const DOWN_HOOK = `${HOOKS}/down`;
/** Of the service's user, in a folder that the unit lets it write to. */
const HOOK_FILE = "/run/wgmesh/hooked";
const MARK = 0x51a;
/** The kernel's own default takes lines of 200 KiB in one datagram, and the daemon writes none as long. */
const DATAGRAM_BYTES = 5_632;
const DATAGRAM_SETTING = "/proc/sys/net/core/wmem_default";
const LONG = "€".repeat(1_000);

const hook = (path: string, body: string): void => {
  mkdirSync(HOOKS, { recursive: true });
  writeFileSync(path, `#!/bin/bash\n${body}\n`);
  chmodSync(path, 0o755);
};

/** Counts what the host sends to other hosts by UDP. */
const COUNTERS = `table inet marks {
  counter marked {}
  counter unmarked {}
  chain out {
    type filter hook output priority 0;
    oifname { "lo", "wg0" } accept
    meta l4proto udp meta mark ${MARK} counter name marked
    meta l4proto udp meta mark != ${MARK} counter name unmarked
  }
}`;

function counted(name: string): number {
  const [, packets] = /packets (\d+)/.exec(good("nft", "list", "counter", "inet", "marks", name)) ?? [];
  return Number(packets);
}

type Entry = Readonly<Record<string, string>>;

/** What the process of the service has sent to journald itself. */
function entries(...words: string[]): Entry[] {
  const out = good("journalctl", "-u", UNIT, "-t", "wgmeshd", "-o", "json", "--all", ...words);
  return out
    .split("\n")
    .filter((line) => line !== "")
    .map((line): Entry => JSON.parse(line));
}

const hookSaid = (words: string): boolean =>
  entries("WGMESH_HOOK=up").some(({ WGMESH_OUTPUT: output }) => output === words);

const commandLine = (pid: number): string[] => readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");

/** The daemon has started its program again with its bounds: the last of two flags counts. */
function isBounded(pid: number): void {
  const words = commandLine(pid);
  const heaps = words.filter((word) => word.startsWith("--max-old-space-size="));
  assert.deepEqual(heaps, ["--max-old-space-size=256", "--max-old-space-size=192"]);
  assert.ok(words.includes("--v8-pool-size=2"), words.join(" "));
  assert.match(readFileSync(`/proc/${pid}/environ`, "utf8"), /\bUV_THREADPOOL_SIZE=2\b/);
}

const watchdogMicros = (): number => Number(shown("WatchdogTimestampMonotonic"));

export const optionCases: Cases = {
  "with limits, a mark, hooks and journald's own socket it starts, as the process that systemd knows":
    async () => {
      hook(
        UP_HOOK,
        `echo "user $(id -un), $(grep NoNewPrivs /proc/self/status | tr -s '[:space:]' ' ')"
         touch /etc/hooked || echo "nothing outside"
         touch ${HOOK_FILE} && nft add table inet hooked && ip route add 192.0.2.0/24 dev "$WGMESH_INTERFACE" && echo "all done"
         echo "${LONG}"`,
      );
      hook(DOWN_HOOK, `nft delete table inet hooked; rm ${HOOK_FILE}`);
      writeConfig({
        interface: { fwmark: MARK },
        process: {
          "memory-limit": "384M",
          threads: 2,
          "max-peers": 50,
          "up-hook": UP_HOOK,
          "down-hook": DOWN_HOOK,
        },
        log: { "log-target": "journald", "log-format": "text" },
      });
      // In place of a restart: what the daemon before sends has no mark.
      good("systemctl", "stop", UNIT);
      dropIn("patient", PATIENT);
      good("nft", COUNTERS);
      const usual = readFileSync(DATAGRAM_SETTING, "utf8");
      writeFileSync(DATAGRAM_SETTING, String(DATAGRAM_BYTES));
      const sinceMs = Date.now();
      good("systemctl", "start", UNIT);
      writeFileSync(DATAGRAM_SETTING, usual);
      note(`started again with its bounds and ready after ${Date.now() - sinceMs} ms`);
      const { pid, limits, warnings, mesh_ip: own } = await status();
      assert.deepEqual(
        [shown("MainPID"), shown("ActiveState"), shown("NotifyAccess")],
        [String(pid), "active", "main"],
      );
      assert.deepEqual(limits, { peers: 50, memory_bytes: 384 * 1024 * 1024 });
      assert.doesNotMatch(warnings.join("\n"), /hook|memory|threads|log-target|fwmark/);
      isBounded(pid);
      await until("the tunnel", () => pings(own));
    },

  "a hook runs as the service's user, inside its rules, with the rights on the network": async () => {
    await until("it is done", () =>
      entries("WGMESH_HOOK=up").some(({ MESSAGE }) => MESSAGE?.startsWith("hook done")),
    );
    for (const words of ["user wgmesh, NoNewPrivs: 1", "nothing outside", "all done"]) {
      assert.ok(hookSaid(words), `${words}: ${JSON.stringify(entries("WGMESH_HOOK=up"))}`);
    }
    assert.equal(existsSync("/etc/hooked"), false);
    assert.equal(statSync(HOOK_FILE).uid, statSync("/var/lib/wgmesh").uid);
    assert.match(good("nft", "list", "tables"), /inet hooked/);
    assert.match(good("ip", "route", "show", "192.0.2.0/24"), /dev wg0/);
  },

  "journald has each line with its fields, and one too long for a datagram": async () => {
    const { pid } = await status();
    const all = entries(`_PID=${pid}`);
    const ready = all.find(({ MESSAGE }) => MESSAGE?.startsWith("wgmeshd is ready"));
    assert.ok(ready, JSON.stringify(all.slice(-3)));
    const { PRIORITY, _SYSTEMD_UNIT, _UID, WGMESH_INTERFACE, WGMESH_DURATION_MS } = ready;
    assert.deepEqual(
      [PRIORITY, _SYSTEMD_UNIT, _UID, WGMESH_INTERFACE],
      ["6", UNIT, String(statSync("/var/lib/wgmesh").uid), "wg0"],
    );
    assert.match(String(WGMESH_DURATION_MS), /^\d+/);
    assert.ok(entries(`_PID=${pid}`, "WGMESH_MODULE=discovery").length > 0);
    // More than the socket takes at once: it went as a file in memory.
    assert.ok(Buffer.byteLength(LONG) * 2 > DATAGRAM_BYTES);
    assert.ok(hookSaid(LONG));
    // Standard error has nothing of it.
    assert.equal(run("journalctl", "-u", UNIT, "-t", "wgmesh-wg0", "-o", "cat", `_PID=${pid}`).out, "");
  },

  "a memory limit that MemoryMax= leaves no room for is told": async () => {
    const told = async (): Promise<boolean> =>
      (await status()).warnings.some((text) => text.includes("the system ends the daemon at 512 MiB"));
    await call("config.set", { settings: { "memory-limit": "1G" } });
    await until("it is told", told);
    await call("config.unset", { keys: ["memory-limit"] });
    await until("it is over", async () => !(await told()));
  },

  "all that it sends to other hosts has the mark": () => {
    assert.equal(good("wg", "show", "wg0", "fwmark").trim(), "0x51a");
    const [marked, unmarked] = [counted("marked"), counted("unmarked")];
    note(`packets with the mark: ${marked}, without: ${unmarked}`);
    assert.ok(marked > 5);
    assert.equal(unmarked, 0, good("nft", "list", "ruleset"));
    good("nft", "delete", "table", "inet", "marks");
  },
};

export const optionRestartCases: Cases = {
  "restarted in place with its bounds it is the same process, and neither hook runs": async () => {
    const { pid, mesh_ip: own } = await status();
    const [runId, restarts] = [shown("InvocationID"), shown("NRestarts")];
    await call("daemon.restart");
    await until("the successor is ready", () => {
      const ready = entries(`_PID=${pid}`).filter(({ MESSAGE }) => MESSAGE?.startsWith("wgmeshd is ready"));
      return ready.length === 2 && shown("ActiveState") === "active";
    });
    assert.equal((await status()).pid, pid);
    isBounded(pid);
    await until("the tunnel", () => pings(own));
    const began = entries(`_PID=${pid}`).filter(({ MESSAGE }) => MESSAGE?.startsWith("hook begins"));
    assert.equal(began.length, 1);
    assert.ok(existsSync(HOOK_FILE));
    assert.deepEqual(
      [shown("MainPID"), shown("InvocationID"), shown("NRestarts")],
      [String(pid), runId, restarts],
    );
  },

  "started anew it runs the down hook first, and tells of an up hook that fails": async () => {
    hook(UP_HOOK, 'echo "the modem is away" >&2; exit 3');
    dropOut();
    good("systemctl", "restart", UNIT);
    assert.equal(existsSync(HOOK_FILE), false);
    assert.doesNotMatch(good("nft", "list", "tables"), /hooked/);
    const failure = `up hook ${UP_HOOK} failed: status 3, last it said: the modem is away;`;
    await until("the failure is told", async () =>
      (await status()).warnings.some((text) => text.startsWith(failure)),
    );
    const { pid, mesh_ip: own } = await status();
    assert.equal(shown("MainPID"), String(pid));
    const [failed] = entries(`_PID=${pid}`, "PRIORITY=4", "WGMESH_HOOK=up");
    assert.match(failed?.MESSAGE ?? "", /^hook failed/);
    const signMicros = watchdogMicros();
    await until("the watchdog is fed", () => watchdogMicros() > signMicros);
    // Its down hook has nothing to take away.
    hook(DOWN_HOOK, "");
    await until("the tunnel", () => pings(own));
  },
};
