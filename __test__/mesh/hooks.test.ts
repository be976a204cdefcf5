import { chmodSync, existsSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { ScriptFolder } from "../unit/support/scriptFolder.ts";
import { daemonProgram, type MeshNode, testBackend } from "./harness/node.ts";
import { formMesh } from "./harness/ping.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const lab = useLab();

const said = (node: MeshNode, message: string): number =>
  node.log.filter(({ fields }) => fields?.msg === message).length;

test("hooks run once each, around the life of the interface, with its facts; a restart runs them where it makes the interface anew", async () => {
  const scripts = new ScriptFolder(lab.folder);
  const record =
    'ip -o link show dev "$WGMESH_INTERFACE" >> $OUT/links; env >> $OUT/env; echo "hook $WGMESH_HOOK ran"';
  const hooks = ["--up-hook", scripts.make("up", record), "--down-hook", scripts.make("down", record)];
  const hooked = lab.addNode("hooked", { flags: hooks });
  const [member] = await formMesh([hooked, lab.addNode("other")]);
  const status = member?.status;
  await until("the up hook is done", allowanceMs(3000), () => said(hooked, "hook done") === 1);
  const link = await hooked.exec(["cat", "/sys/class/net/wg0/mtu"]);
  const facts = [
    `WGMESH_BACKEND=${status?.backend}`,
    `WGMESH_INTERFACE=wg0`,
    `WGMESH_LISTEN_PORT=${status?.listen_port}`,
    `WGMESH_MESH_IP=${status?.mesh_ip}`,
    `WGMESH_MESH_IPV6=${status?.mesh_ipv6}`,
    expect.stringMatching(/^WGMESH_MESH_NETWORK=10\.\d+\.\d+\.0\/\d+$/),
    `WGMESH_MTU=${link.stdout.trim()}`,
    "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
  ];
  expect(scripts.lines("env")).toEqual(expect.arrayContaining([...facts, "WGMESH_HOOK=up"]));
  expect(scripts.lines("env").filter((line) => /^WGMESH_(SECRET|LAUNCH)|^NODE_/.test(line))).toEqual([]);
  expect(scripts.lines("links")).toEqual([expect.stringMatching(/ wg0: <.*\bUP\b/)]);
  expect(hooked.findLog(({ fields }) => fields?.output === "hook up ran")?.fields?.hook).toBe("up");

  expect(await hooked.client("restart")).toMatchObject({ code: 0 });
  await hooked.untilRunning();
  const once = testBackend === "kernel" ? ["up"] : ["up", "down", "up"];
  await until(
    "the hooks of the restart are done",
    allowanceMs(3000),
    () => scripts.lines("links").length >= once.length,
  );

  expect(await hooked.stop()).toEqual({ code: 0, signal: null });
  expect(scripts.lines("links")).toEqual(
    Array(once.length + 1).fill(expect.stringMatching(/ wg0: <.*\bUP\b/)),
  );
  const ran = scripts.lines("env").filter((line) => line.startsWith("WGMESH_HOOK="));
  expect(ran).toEqual([...once, "down"].map((kind) => `WGMESH_HOOK=${kind}`));
  expect(await hooked.hasInterface()).toBe(false);
});

/** Half a minute is over in a second. */
const hurried = `const real = globalThis.setTimeout;
globalThis.setTimeout = (callback, ms, ...more) => real(callback, ms === 30000 ? 1000 : ms, ...more);`;

test("a hook that hangs delays nothing, is ended, and named in status", async () => {
  const scripts = new ScriptFolder(lab.folder);
  const upHook = scripts.make(
    "up; touch $(id)",
    'echo $$ > $OUT/pid; echo "waiting for the modem" >&2; sleep 600',
  );
  const program = [process.execPath, "--import", `data:text/javascript,${encodeURIComponent(hurried)}`];
  const node = lab.addNode("hangs", { program: [...program, daemonProgram], flags: ["--up-hook", upHook] });
  await node.startAndWait();
  const trouble = await until("the trouble is told", allowanceMs(5000), async () =>
    (await node.rpc<{ warnings: string[] }>("daemon.status")).warnings.find((text) =>
      text.includes("up hook"),
    ),
  );
  expect(trouble).toContain(`up hook ${upHook} failed: it did not end within 30 s and was ended`);
  expect(trouble).toContain("last it said: waiting for the modem");
  expect((await node.client("status")).stdout).toContain("waiting for the modem");
  const [pid] = scripts.lines("pid");
  expect(existsSync(`/proc/${pid}`)).toBe(false);
  expect(existsSync(path.join(scripts.folder, "touch"))).toBe(false);
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});

test("a hook that others can write is refused before anything is changed", async () => {
  const scripts = new ScriptFolder(lab.folder);
  const upHook = scripts.make("up", "true");
  chmodSync(upHook, 0o777);
  const node = lab.addNode("refused", { flags: ["--up-hook", upHook] });
  node.start();
  expect(await node.exit()).toEqual({ code: 2, signal: null });
  expect(node.logTail(5)).toContain(
    `--up-hook: ${upHook} is not run: it can be written by others (mode 777)`,
  );
  expect(await node.hasInterface()).toBe(false);
});
