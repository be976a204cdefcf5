import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { clientProgram, type StatusJson } from "./harness/node.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const network = "192.168.77.0/24";
/** A forwarded port of a router, as the operator knows it. */
const told = "198.51.100.7:443";

interface Shown {
  readonly value: unknown;
  readonly origin: string;
  readonly from: string;
  readonly change: string;
  readonly next?: unknown;
}

describe("the configuration of a running node", () => {
  const lab = useLab();
  const host = lab.addHost("user");
  const file = path.join(host.folder, "wg0.toml");
  const user = lab.addNode("user", { flags: ["--config", file] }, host);
  const router = lab.addNode("router", { flags: ["--no-lan-discovery", "--advertise-routes", network] });
  const keptFile = path.join(user.stateDir, "wg0.settings.toml");

  const base = `[discovery]\nadvertise-endpoint = "${told}"\ndht = false\nstun = false\nlan-discovery = false\n`;
  const write = (text: string): void => writeFileSync(file, base + text, { mode: 0o600 });
  const shown = async (key: string): Promise<Shown> => {
    const { settings } = await user.clientJson<{ settings: (Shown & { key: string })[] }>("config", "show");
    const found = settings.find((setting) => setting.key === key);
    if (found === undefined) throw new Error(`config show lacks ${key}`);
    return found;
  };
  const advertised = async (): Promise<readonly string[]> =>
    (await user.rpc<StatusJson>("daemon.status")).advertised_networks;
  const routed = async (): Promise<boolean> =>
    (await user.exec(["ip", "route", "show", network])).stdout.includes("dev wg0");

  beforeAll(async () => {
    write("[routes]\nadvertise-routes = ['10.70.0.0/16']\n");
    await Promise.all([user.startAndWait(), router.startAndWait()]);
  });

  test("is shown with the origin of each value", async () => {
    expect(await shown("dht")).toMatchObject({ value: false, origin: "file", from: `${file}:3` });
    expect(await shown("advertise-routes")).toMatchObject({ value: ["10.70.0.0/16"], from: `${file}:7` });
    expect(await shown("backend")).toMatchObject({ origin: "flag", from: "--backend", change: "restart" });
    expect(await shown("listen-port")).toMatchObject({ value: null, origin: "default" });
    expect(await advertised()).toEqual(["10.70.0.0/16"]);
    expect((await user.rpc<{ endpoint: string }>("daemon.status")).endpoint).toBe(told);
    const { stdout } = await user.client("config", "show");
    expect(stdout).toContain(`the running daemon; ${file}`);
  });

  test("changes by a reload as far as it is live; what needs a restart is named", async () => {
    write("[routes]\nadvertise-routes = ['10.71.0.0/16']\n[interface]\nmtu = 1333\n");
    const { code, stdout } = await user.client("reload");
    expect([code, stdout]).toEqual([0, "changed: advertise-routes=10.71.0.0/16\nneeds a restart: mtu\n"]);
    expect(await advertised()).toEqual(["10.71.0.0/16"]);
    expect(await shown("mtu")).toMatchObject({ value: null, origin: "default", next: 1333 });
  });

  test("does not change by a file with a mistake, which is named", async () => {
    write("[routes]\nadvertise-routes = ['10.72.0.0/16']\naccept-rotes = 'none'\n");
    const since = user.log.length;
    const { code, stderr } = await user.client("reload");
    expect(code).toBe(2);
    expect(stderr).toContain(`${file}:8: accept-rotes is not a setting\nhint: did you mean accept-routes?`);
    user.signal("SIGHUP");
    await until("the mistake in the log", allowanceMs(1000), () =>
      user.findLog(({ text }) => text.includes("accept-rotes"), since),
    );
    expect(await advertised()).toEqual(["10.71.0.0/16"]);
    write("[routes]\nadvertise-routes = ['10.71.0.0/16']\n");
    expect((await user.client("reload")).stdout).toBe("nothing changed\n");
  });

  test("set while running: a peer is found, its network routed, and refused again", async () => {
    expect((await user.client("config", "set", "peer", router.host.address)).code).toBe(0);
    await until("the network is routed", allowanceMs(3000), routed);
    expect(await shown("peer")).toMatchObject({ value: [router.host.address], origin: "set", next: [] });

    const { stdout } = await user.client("config", "set", "accept-routes", "none");
    expect(stdout).toBe("changed: accept-routes=none\n");
    await until("the network is not routed", allowanceMs(1000), async () => !(await routed()));
    expect((await user.client("config", "unset", "accept-routes")).stdout).toBe(
      "changed: accept-routes=all\n",
    );
    await until("the network is routed again", allowanceMs(1000), routed);
    expect(existsSync(keptFile)).toBe(false);
  });

  test("set while running: keepalives are WireGuard's at once", async () => {
    const keepalive = async () => (await user.exec(["wg", "show", "wg0", "persistent-keepalive"])).stdout;
    expect(await keepalive()).toContain("25");
    expect((await user.client("config", "set", "keepalive", "0")).stdout).toBe("changed: keepalive=0\n");
    expect(await keepalive()).toContain("off");
    await user.client("config", "unset", "keepalive");
    expect(await keepalive()).toContain("25");
  });

  test("set while running: what discovery says and does, at once", async () => {
    const layer = async (name: string): Promise<string | undefined> =>
      (await user.clientJson<{ layers: { name: string; state: string }[] }>("status")).layers.find(
        (each) => each.name === name,
      )?.state;
    const endpoint = async () => (await user.rpc<{ endpoint: string }>("daemon.status")).endpoint;
    expect([await layer("gossip"), await endpoint()]).toEqual(["running", told]);
    const settings = {
      ...{ gossip: "off", introducer: true, "advertise-endpoint": "198.51.100.8:444" },
      ...{ "relay-limit": 1_000_000, "reconcile-interval": 2 },
    };
    expect(await user.rpc("config.set", { settings })).toMatchObject({ restart: [] });
    expect([await layer("gossip"), await endpoint()]).toEqual(["off", "198.51.100.8:444"]);
    const peer = async () =>
      (await router.rpc<{ peers: { introducer: boolean; endpoint: string }[] }>("peers.list")).peers[0];
    await until(
      "the other node has heard",
      allowanceMs(2000),
      async () => (await peer())?.introducer === true,
    );
    await user.rpc("config.unset", { keys: Object.keys(settings) });
    expect([await layer("gossip"), await endpoint()]).toEqual(["running", told]);
    expect((await user.client("config", "set", "relay-limit", "none")).stderr).toContain("relay-limit");
  });

  test("kept across a restart when asked, until it is taken back", async () => {
    const set = await user.client("config", "set", "accept-routes", "none", "--keep");
    expect([set.code, set.stdout]).toEqual([0, "changed: accept-routes=none\n"]);
    const mtu = await user.client("config", "set", "mtu", "1300", "--keep");
    expect([mtu.code, mtu.stdout]).toEqual([0, "needs a restart: mtu\n"]);
    expect(statSync(keptFile).mode & 0o777).toBe(0o600);

    await user.stop();
    await user.startAndWait();
    expect(await shown("accept-routes")).toMatchObject({
      ...{ value: "none", origin: "kept", from: `kept in ${keptFile}` },
    });
    expect((await user.exec(["ip", "link", "show", "wg0"])).stdout).toContain("mtu 1300");
    // What was set without --keep is gone.
    expect(await shown("peer")).toMatchObject({ value: [], origin: "default" });

    expect((await user.client("config", "unset", "accept-routes")).stdout).toBe(
      "changed: accept-routes=all\n",
    );
    expect((await user.client("config", "unset", "mtu")).code).toBe(0);
    expect(await shown("mtu")).toMatchObject({ value: 1300, next: null });
    expect(existsSync(keptFile)).toBe(false);
  });

  test("a flag outranks what is kept from the next start on, and that is said", async () => {
    const { code, stdout, stderr } = await user.client("config", "set", "log-level", "info", "--keep");
    expect([code, stdout]).toEqual([0, "changed: log-level=info\n"]);
    expect(stderr).toContain("--log-level outranks the kept log-level");
    expect(await shown("log-level")).toMatchObject({ value: "info", origin: "set", next: "debug" });
    expect((await user.client("config", "unset", "log-level")).stdout).toBe("changed: log-level=debug\n");
  });

  test.each([
    ["a key that needs a restart", ["mtu", "1300"], /mtu counts from the next start on[\s\S]*--keep/],
    ["a key that is fixed", ["interface", "wg1", "--keep"], /interface cannot be set/],
    [
      "a key that is none",
      ["log-levle", "info"],
      /log-levle is not a setting[\s\S]*did you mean log-level\?/,
    ],
    ["a value that is none", ["accept-routes", "some"], /accept-routes: "some" is not a network/],
    ["the secret", ["secret", "correct-horse", "--keep"], /secret is given by a flag alone/],
    ["what contradicts the rest", ["mtu", "1200", "--keep"], /1200 is less than the 1280 bytes IPv6 needs/],
  ])("is not set to %s", async (_what, args, complaint) => {
    const { code, stderr } = await user.client("config", "set", ...args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(complaint)]);
    expect(stderr).not.toContain("correct-horse");
    expect(existsSync(keptFile)).toBe(false);
  });

  test("several changes at once are all made, or none", async () => {
    const settings = { "accept-routes": "none", "advertise-routes": ["10.73.0.0/33"] };
    await expect(user.rpc("config.set", { settings })).rejects.toThrow("10.73.0.0/33");
    expect(await shown("accept-routes")).toMatchObject({ value: "all" });
    const good = { ...settings, "advertise-routes": ["10.73.0.0/16"] };
    expect(await user.rpc("config.set", { settings: good })).toMatchObject({
      changed: ["advertise-routes=10.73.0.0/16", "accept-routes=none"],
    });
    expect(await advertised()).toEqual(["10.73.0.0/16"]);
    await user.rpc("config.unset", { keys: Object.keys(settings) });
    expect(await advertised()).toEqual(["10.71.0.0/16"]);
  });

  test("cannot be kept where nothing can be written, and then nothing changes", async () => {
    // Nothing can be renamed over a folder with something in it.
    mkdirSync(path.join(keptFile, "occupied"), { recursive: true });
    try {
      const { code, stderr } = await user.client("config", "set", "accept-routes", "none", "--keep");
      expect([code, stderr]).toEqual([4, expect.stringContaining("wg0.settings.toml")]);
      expect(await shown("accept-routes")).toMatchObject({ value: "all", origin: "default" });
      expect(readdirSync(user.stateDir).filter((name) => name.endsWith(".tmp"))).toEqual([]);
    } finally {
      rmSync(keptFile, { recursive: true });
    }
  });

  test("the sample is right as it is; a variable that nothing reads is warned of", async () => {
    const wgmesh = [process.execPath, clientProgram];
    const { code, stdout } = await user.exec([...wgmesh, "config", "sample"]);
    expect(code).toBe(0);
    const sample = path.join(host.folder, "sample.toml");
    writeFileSync(sample, stdout, { mode: 0o600 });
    const check = await user.exec(["env", "WGMESH_LISTN_PORT=1", ...wgmesh, "config", "check", sample]);
    expect([check.code, check.stdout]).toEqual([0, `${sample} is right\n`]);
    expect(check.stderr).toContain("did you mean $WGMESH_LISTEN_PORT?");
  });
});
