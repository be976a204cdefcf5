/** What an operator sees of a real daemon: events, logs, the audit, watched views, profiles and the bug report. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { onTerminal } from "../unit/support/onTerminal.ts";
import { clientProgram, type MeshNode } from "./harness/node.ts";
import { formMesh, type Member } from "./harness/ping.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const lab = useLab();
const alice = lab.addNode("alice");
const bob = lab.addNode("bob");
let members: Member[];

interface EventJson {
  readonly id: number;
  readonly type: string;
  readonly peer: string | null;
  readonly hostname: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}

interface AuditJson {
  readonly action: string;
  readonly outcome: string;
  readonly actor: {
    readonly kind: string;
    readonly user?: string;
    readonly signal?: string;
    readonly pid?: number;
  };
}

/** `wgmesh …` of a node's, which goes on; its lines as they come. */
function following(node: MeshNode, ...args: string[]): string[] {
  const place = ["--iface", node.iface, "--run-dir", node.runDir];
  const [file = "", ...rest] = node.command(process.execPath, clientProgram, ...args, ...place);
  const child = spawn(file, rest, { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines: string[] = [];
  let unread = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const whole = (unread + text).split("\n");
    unread = whole.pop() ?? "";
    lines.push(...whole);
  });
  return lines;
}

const parsed = (lines: readonly string[]): EventJson[] => lines.map((line) => JSON.parse(line) as EventJson);

test("events tell of a peer that comes, connects and leaves, to who follows and to who asks later", async () => {
  await alice.startAndWait();
  const lines = following(alice, "events", "--follow", "--type", "peer", "--since", "1h", "--json");
  members = await formMesh([alice, bob]);
  const { pubkey } = (members[1] as Member).status;
  const types = (): string[] => parsed(lines).flatMap(({ type, peer }) => (peer === pubkey ? [type] : []));
  await until("the connection is told", allowanceMs(2_000), () => types().includes("peer.connected"));
  expect(types()[0]).toBe("peer.added");

  await bob.stop();
  await until("the leaving is told", allowanceMs(1_000), () => types().includes("peer.removed"));
  expect(types()).toContain("peer.disconnected");
  expect(parsed(lines).at(-1)?.data.reason).toBe("goodbye");

  const { events } = await alice.clientJson<{ events: EventJson[] }>("events", "--peer", pubkey);
  expect(events.map(({ type }) => type)).toEqual(types());
  const all = await alice.clientJson<{ events: EventJson[] }>("events", "--since", "1h");
  expect(all.events.map(({ id }) => id)).toEqual(all.events.map((_, index) => index + 1));
  expect(all.events.map(({ type }) => type)).toContain("node.ready");
  const { stdout } = await alice.client("events", "--type", "peer.removed");
  expect(stdout).toMatch(
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ {2}peer\.removed {2,}\S+ {2}reason=goodbye mesh_ip=10\./,
  );
  const wrong = await alice.client("events", "--type", "peer.conected");
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("did you mean peer.connected?")]);
});

test("events since now are new ones alone", async () => {
  const { events } = await alice.clientJson<{ events: EventJson[] }>("events");
  const lines = following(alice, "events", "--follow", "--since", "now", "--json");
  await until("something new is told", allowanceMs(2_000), async () => {
    await alice.rpc("daemon.reload");
    return lines.length > 0;
  });
  expect(parsed(lines)[0]?.type).toBe("node.reloaded");
  expect(parsed(lines)[0]?.id).toBeGreaterThan(events.at(-1)?.id ?? Infinity);
});

test("events tell of an interface that others changed, and of warnings that come and go", async () => {
  const seen = async (type: string): Promise<EventJson[]> =>
    (await alice.clientJson<{ events: EventJson[] }>("events", "--type", type)).events;
  const { mesh_ip } = (members[0] as Member).status;
  await alice.exec(["ip", "address", "del", `${mesh_ip}/16`, "dev", alice.iface]);
  const [mended] = await until("it is told", allowanceMs(2_000), async () => {
    const events = await seen("interface.mended");
    return events.length > 0 && events;
  });
  expect(JSON.stringify(mended?.data.found)).toContain(mesh_ip);
  await bob.startAndWait("--advertise-routes", "192.0.2.0/24");
  const text = "192.0.2.0/24";
  const told = async (type: string): Promise<boolean> =>
    (await seen(type)).some(({ data }) => String(data.text).includes(text));
  await until("the refused network is a warning", allowanceMs(3_000), () => told("warning.raised"));
  await bob.stop();
  await until("which is over with its peer", allowanceMs(3_000), () => told("warning.cleared"));
});

test("the audit knows who reloaded, by RPC and by signal, who was wrong, and who stopped; also without a daemon", async () => {
  await bob.startAndWait();
  writeFileSync(path.join(bob.stateDir, `${bob.iface}.reload`), "log-level=info\n", { mode: 0o600 });
  expect((await bob.client("reload")).code).toBe(0);
  bob.signal("SIGHUP");
  const audit = async (...args: string[]): Promise<AuditJson[]> =>
    (await bob.clientJson<{ entries: AuditJson[] }>("audit", "--state-dir", bob.stateDir, ...args)).entries;
  await until("the signal is noted", allowanceMs(1_000), async () =>
    (await audit()).some(({ actor }) => actor.signal === "SIGHUP"),
  );
  writeFileSync(path.join(bob.stateDir, `${bob.iface}.reload`), "log-level=loud\n", { mode: 0o600 });
  expect((await bob.client("reload")).code).not.toBe(0);
  const { pid } = bob;
  expect((await bob.client("down")).code).toBe(0);
  await bob.exit();

  // The daemon of the tests before: started, and ended by a signal, each time.
  const entries = (await audit("--since", "1h")).slice(-5);
  expect(entries.map(({ action, outcome }) => [action, outcome])).toEqual([
    ["daemon.start", "ok"],
    ["daemon.reload", "ok"],
    ["daemon.reload", "ok"],
    ["daemon.reload", expect.stringMatching(/^ERR_/)],
    ["daemon.shutdown", "ok"],
  ]);
  expect(entries.filter(({ actor }) => actor.kind === "process").map(({ actor }) => actor.user)).toEqual(
    Array(4).fill("root"),
  );
  expect(entries[0]?.actor.pid).toBe(pid);
  const { stdout } = await bob.client("audit", "--state-dir", bob.stateDir);
  expect(stdout).toMatch(/^TIME +WHO +WHAT +OUTCOME/);
  expect(stdout).toMatch(/SIGTERM +daemon\.stop +ok/);
  expect(statSync(path.join(bob.stateDir, `${bob.iface}.audit.jsonl`)).mode & 0o777).toBe(0o600);
});

test("logs: the last lines, those that follow, by severity and module; of a daemon that is gone, its file", async () => {
  const lines = following(alice, "logs", "--follow", "--module", "rpc", "--json", "-n", "0");
  const calls = (): string[] => lines.map((line) => (JSON.parse(line) as { method?: string }).method ?? "");
  // Again and again, since nobody tells when the follower has come so far as to hear it.
  await until("the call is followed", allowanceMs(1_000), async () => {
    await alice.client("reconcile");
    return calls().includes("reconcile.run");
  });
  const { lines: warnings } = await alice.clientJson<{ lines: { level: string }[] }>(
    "logs",
    "--level",
    "warn",
  );
  expect(warnings.length).toBeGreaterThan(0);
  expect(warnings.filter(({ level }) => level !== "warn" && level !== "error")).toEqual([]);
  const { stdout } = await alice.client("logs", "-n", "3");
  expect(stdout.trimEnd().split("\n")).toHaveLength(3);
  expect(stdout).toMatch(/^\d\d:\d\d:\d\d\.\d{3} (DEBUG|INFO |WARN )/);

  // Where a daemon in the background logs to.
  const file = path.join(bob.stateDir, `${bob.iface}.log`);
  writeFileSync(file, bob.log.map(({ text }) => `${text}\n`).join(""));
  const offline = await bob.client("logs", "--state-dir", bob.stateDir, "-n", "1");
  expect(offline).toMatchObject({ code: 0, stdout: expect.stringContaining("wgmeshd stopped") });
  expect((await bob.client("logs", "--log-file", `${file}.none`)).code).toBe(6);
  expect((await bob.client("logs", "--follow", "--log-file", file)).code).toBe(6);
});

test("status and peers are watched in place on a terminal, and fit it", async () => {
  await bob.startAndWait();
  await until(
    "they are connected",
    allowanceMs(3_000),
    async () =>
      (await alice.clientJson<{ peers: { state: string }[] }>("peers", "--connected")).peers.length === 1,
  );
  const watch = (columns: number, ...args: string[]): ReturnType<typeof onTerminal> => {
    const place = ["--iface", alice.iface, "--run-dir", alice.runDir];
    const command = alice.command(process.execPath, clientProgram, ...args, ...place);
    return onTerminal(command, { columns, rows: 12, interruptAfterMs: allowanceMs(200) });
  };
  const { code, shown } = await watch(60, "peers", "--watch", "0.2", "--sort", "latency");
  expect(code).toBe(130);
  const screens = shown.split("\x1b[H").slice(1);
  expect(screens.length).toBeGreaterThan(1);
  const rows = (screens[1] ?? "").split("\x1b[K\n").slice(0, -1);
  expect(rows[0]).toMatch(/^HOST.*STATE.*RTT/);
  expect(rows.filter((row) => row.length > 60)).toEqual([]);
  const status = await watch(80, "status", "--watch", "0.2");
  expect(status.shown).toContain("more lines");
  expect(status.shown.split("\x1b[H").length).toBeGreaterThan(2);
});

test("profiles and dumps show the daemon at work, and hold no secret; so does the bug report", async () => {
  const at = (name: string): string => path.join(lab.folder, name);
  const take = async (...args: string[]): Promise<string> => {
    const file = at(args[1] ?? "");
    expect((await alice.client(...args, "-o", file)).code).toBe(0);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    return readFileSync(file, "utf8");
  };
  const cpu = await take("debug", "cpu-profile", "--seconds", "1");
  expect((JSON.parse(cpu) as { nodes: object[]; samples: number[] }).samples.length).toBeGreaterThan(0);
  const heap = await take("debug", "heap-profile", "--seconds", "1");
  expect(JSON.parse(heap)).toMatchObject({ head: { callFrame: { functionName: "(root)" } } });
  const dump = (await alice.client("debug", "dump-state")).stdout;
  expect(JSON.parse(dump)).toMatchObject({ peers: [{ publicKey: (members[1] as Member).status.pubkey }] });
  expect((await alice.client("debug", "tasks")).stdout).toMatch(/reconcile +critical +running/);
  expect((await alice.client("debug", "queue")).stdout).toMatch(/contacts +\d+\n/);
  expect((await alice.client("metrics")).stdout).toContain("wgmesh_known_peers 1");
  expect(await alice.clientJson("reconcile", "--peer", (members[1] as Member).status.mesh_ip)).toMatchObject({
    error: null,
    failing: [],
  });

  const listed = (await alice.client("bugreport", "--list")).stdout;
  const report = await alice.client("bugreport", "-o", at("report.tar.gz"));
  expect(report.code).toBe(0);
  expect(report.stdout.startsWith(listed)).toBe(true);
  const tar = gunzipSync(readFileSync(at("report.tar.gz")));
  const unpacked = at("unpacked");
  expect(
    (await alice.exec(["sh", "-c", `mkdir ${unpacked} && tar xzf ${at("report.tar.gz")} -C ${unpacked}`]))
      .code,
  ).toBe(0);
  const [folder = ""] = readdirSync(unpacked);
  const names = readdirSync(path.join(unpacked, folder));
  expect(names.length).toBe(listed.trimEnd().split("\n").length - 1);
  for (const name of names) {
    const content = JSON.parse(readFileSync(path.join(unpacked, folder, name), "utf8")) as object;
    expect([name, "error" in content]).toEqual([name, false]);
  }

  const secret = readFileSync(lab.secretFile, "utf8").trim().replace("wgmesh://v1/", "");
  const state = JSON.parse(readFileSync(path.join(alice.stateDir, `${alice.iface}.json`), "utf8")) as object;
  const shown = (await alice.exec(["wg", "show", alice.iface, "dump"])).stdout.split(/\s+/);
  const own = (members[0] as Member).status.pubkey;
  const keys = [...Object.values(state), ...shown].filter(
    (text): text is string => typeof text === "string" && /^[A-Za-z0-9+/]{43}=$/.test(text),
  );
  // The private key, and the preshared key that the secret gives.
  const secretKeys = [...new Set(keys)].filter(
    (key) => key !== own && key !== (members[1] as Member).status.pubkey,
  );
  expect(secretKeys.length).toBe(2);
  const forms = [secret, ...secretKeys.flatMap((key) => [key, Buffer.from(key, "base64").toString("hex")])];
  for (const text of [cpu, heap, dump, tar.toString("latin1")]) {
    expect(forms.filter((form) => text.includes(form))).toEqual([]);
  }
  const log = readFileSync(path.join(unpacked, folder, "log.json"), "utf8");
  expect(log).toContain("wgmeshd is ready");
});
