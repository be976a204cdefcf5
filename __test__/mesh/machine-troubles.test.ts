import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { attempt, must } from "./harness/exec.ts";
import { formMesh, type Member, SteadyPing } from "./harness/ping.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const lab = useLab();
// Layers that need more than the lab has would be warnings of their own.
const flags = ["--no-dht", "--no-stun"];
const alice = lab.addNode("alice", { flags: [...flags, "--http-listen", "9586"] });
const bob = lab.addNode("bob", { flags });
const carol = lab.addNode("carol", { flags });
let members: Member[];

interface Health {
  readonly state: string;
  readonly checks: readonly { readonly id: string; readonly state: string; readonly detail: string }[];
}

beforeAll(() => {
  mkdirSync(alice.stateDir, { recursive: true, mode: 0o700 });
  must(["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", alice.stateDir]);
});

afterAll(() => {
  attempt(["umount", "-l", alice.stateDir]);
});

/** What /healthz and `wgmesh status` say of one check: both as an operator sees them. */
async function seen(check: string): Promise<{ state: string | undefined; overall: string; warned: boolean }> {
  const script = `fetch("http://127.0.0.1:9586/healthz").then((r) => r.text()).then((t) => console.log(t))`;
  const { stdout } = await alice.exec([process.execPath, "-e", script]);
  const health = JSON.parse(stdout) as Health;
  const found = health.checks.find(({ id }) => id === check);
  const { stdout: status } = await alice.client("status");
  return {
    state: found?.state,
    overall: health.state,
    warned: status.includes((found?.detail ?? "?").slice(0, 15)),
  };
}

/** Makes the trouble, sees the warning, ends it, sees it gone, and all the while the tunnel loses nothing. */
async function trouble(check: string, make: () => unknown, mend: () => unknown): Promise<void> {
  const ping = new SteadyPing(alice, members[1]?.status.mesh_ip ?? "", 200);
  await make();
  await until(`${check} is a warning`, allowanceMs(12_000), async () => {
    const { state, overall, warned } = await seen(check).catch(() => ({
      state: "",
      overall: "",
      warned: false,
    }));
    return state === "warn" && overall === "warn" && warned;
  });
  mend();
  await until(`${check} is well again`, allowanceMs(12_000), async () => (await seen(check)).state === "ok");
  const { sent, lost } = await ping.finish();
  expect(sent).toBeGreaterThan(5);
  expect(lost).toEqual([]);
}

test("without trouble all checks are ok", async () => {
  members = await formMesh([alice, bob]);
  const health = await alice.rpc<Health>("health.get");
  expect(health.checks.filter(({ state }) => state !== "ok")).toEqual([]);
  expect(health.state).toBe("ok");
});

test("a read-only state directory is a warning", async () => {
  const { stateDir, pid } = alice;
  const inside = (...command: string[]): string => must(["nsenter", "-m", "-t", String(pid), ...command]);
  await trouble(
    "state-directory",
    () => {
      // Over the old one, in which the daemon holds its lock.
      inside("mount", "--bind", stateDir, stateDir);
      inside("mount", "-o", "remount,bind,ro", stateDir);
    },
    () => inside("umount", stateDir),
  );
});

/** More lines than fit into the page of its file that the audit has already. */
const RELOADS = 60;

/** Whole lines of reloads. */
const reloads = (audit: string): number => audit.split(/"action":"daemon.reload".*\n/).length - 1;

test("a full disk is a warning, and who was met meanwhile is saved when there is room again", async () => {
  const filler = path.join(alice.stateDir, "filler");
  const log = path.join(alice.stateDir, "carol.log");
  const read = (file: string): string => readFileSync(file, "utf8");
  const audit = path.join(alice.stateDir, `${alice.iface}.audit.jsonl`);
  const cache = path.join(alice.stateDir, `${alice.iface}-peers.json`);
  await trouble(
    "state-directory",
    async () => {
      expect(() => writeFileSync(filler, Buffer.alloc(4 * 1024 * 1024))).toThrow(/ENOSPC/);
      carol.start("--log-file", log);
      for (let call = 0; call < RELOADS; call += 1) await alice.rpc("daemon.reload");
      expect(reloads(read(audit))).toBeLessThan(RELOADS);
    },
    () => {
      rmSync(filler);
    },
  );
  const { pubkey } = await carol.untilRunning();
  await alice.pingUntilAnswered(
    (await carol.rpc<{ mesh_ip: string }>("daemon.status")).mesh_ip,
    allowanceMs(1000),
  );
  // What could not be written waited, and nothing has to happen for it to be there.
  const last = await carol.rpc<{ lines: { time: string }[] }>("logs.list", { limit: 1000 });
  await until("audit and log are complete", allowanceMs(6000), () => {
    return reloads(read(audit)) === RELOADS && read(log).includes(last.lines.at(-1)?.time ?? "?");
  });
  const whole = read(log)
    .slice(0, read(log).lastIndexOf("\n"))
    .split("\n")
    .map((line) => JSON.parse(line) as { time: string; msg: string });
  expect(whole[0]?.msg).toBe("wgmeshd starts");
  expect(last.lines.map(({ time }) => time).filter((at) => !whole.some(({ time }) => time === at))).toEqual(
    [],
  );
  // The next look finds a full disk and then room again, and then saves.
  expect(() => writeFileSync(filler, Buffer.alloc(4 * 1024 * 1024))).toThrow(/ENOSPC/);
  await until(
    "the disk is seen to be full",
    allowanceMs(12_000),
    async () => (await seen("state-directory")).state === "warn",
  );
  rmSync(filler);
  await until("the cache has the new peer", allowanceMs(12_000), () =>
    readFileSync(cache, "utf8").includes(pubkey),
  );
});

test.each([
  ["the number open", 0],
  ["one more than are open", 1],
  ["three more than are open", 3],
])(
  "a limit of descriptors lowered to %s is a warning, and leaves the daemon answering",
  async (_what, more) => {
    const limits = readFileSync(`/proc/${alice.pid}/limits`, "utf8");
    const [, soft = "", hard = ""] = /Max open files\s+(\d+)\s+(\d+)/.exec(limits) ?? [];
    // Without connections that come and go.
    const counts = Array.from({ length: 20 }, () => readdirSync(`/proc/${alice.pid}/fd`).length);
    const open = Math.min(...counts);
    const limit = (count: number | string): string =>
      must(["prlimit", "--pid", String(alice.pid), `--nofile=${count}:${hard}`]);
    await trouble(
      "descriptors",
      () => limit(open + more),
      () => limit(soft),
    );
    const { code } = await alice.client("peers", "list");
    expect(code).toBe(0);
  },
);
