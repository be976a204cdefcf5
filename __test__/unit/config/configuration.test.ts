import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadConfiguration, usualFile } from "../../../src/config/configuration.ts";
import { keptText } from "../../../src/config/kept.ts";
import { type Origin, plainValue } from "../../../src/config/layers.ts";
import { schema } from "../../../src/config/schema.ts";
import { unknownVariables } from "../../../src/config/variables.ts";
import type { InterfaceName } from "../../../src/core/types.ts";
import { wgmesh, wgmeshd } from "../cli/run.ts";

let folder: string;
let file: string;
let keptFile: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wgmesh-config-"));
  file = join(folder, "node.toml");
  keptFile = join(folder, "wg0.settings.toml");
  write("");
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The file, with the folder of the test as the state directory. */
function write(text: string, path = file): void {
  const place = `[files]\nstate-dir = "${folder}"\nrun-dir = "${folder}"\n`;
  writeFileSync(path, `${path === file ? place : ""}${text}`, { mode: 0o600 });
}

/** What wgmeshd makes of its command line, the environment and the file. */
async function daemon(args: readonly string[] = [], env: Record<string, string> = {}) {
  return await wgmeshd(["--config", file, ...args], env);
}

describe("of all sources the higher one wins:", () => {
  test("flag, variable, kept setting, file, default", async () => {
    const mtu = async (args: string[], env: Record<string, string>) => {
      const { request } = await daemon(args, env);
      return [request?.options.mtu, request?.configuration.settings.get("mtu")?.origin.kind];
    };
    expect(await mtu([], {})).toEqual([null, "default"]);
    write("[interface]\nmtu = 1301\n");
    expect(await mtu([], {})).toEqual([1301, "file"]);
    write("[interface]\nmtu = 1302\n", keptFile);
    expect(await mtu([], {})).toEqual([1302, "kept"]);
    expect(await mtu([], { WGMESH_MTU: "1303" })).toEqual([1303, "variable"]);
    expect(await mtu(["--mtu", "1304"], { WGMESH_MTU: "1303" })).toEqual([1304, "flag"]);
  });

  test("every option has a variable, and every kind of value can be given by one", async () => {
    const { request, err } = await daemon([], {
      WGMESH_LISTEN_PORT: "51999",
      WGMESH_DHT: "false",
      WGMESH_IPV6: "no",
      WGMESH_STRICT_ADDRESSES: "1",
      WGMESH_GOSSIP: "off",
      WGMESH_PEER: "a.example, [fd00::1]:7",
      WGMESH_EXCLUDE_IFACE: "docker0,br0",
      WGMESH_ADVERTISE_ROUTES: "10.0.0.0/8",
      WGMESH_LOG_LEVEL: "warn",
    });
    expect(err).toBe("");
    expect(request?.options).toMatchObject({
      ...{ listenPort: 51999, dht: false, ipv6: false, strictAddresses: true, gossip: "off" },
      peers: [
        { host: "a.example", port: null },
        { host: "fd00::1", port: 7 },
      ],
      excludedInterfaces: ["docker0", "br0"],
      advertiseRoutes: ["10.0.0.0/8"],
      logLevel: "warn",
    });
  });

  test("the systematic name of a variable wins over the older one", async () => {
    const level = async (env: Record<string, string>) => (await daemon([], env)).request?.options.logLevel;
    expect(await level({ WGMESH_LOG: "warn" })).toBe("warn");
    expect(await level({ WGMESH_LOG: "warn", WGMESH_LOG_LEVEL: "error" })).toBe("error");
  });

  test("fixed options cannot be kept", async () => {
    write('[interface]\ninterface = "wg9"\n[log]\nlog-level = "warn"\n', keptFile);
    const { request } = await daemon();
    expect(request?.options).toMatchObject({ interfaceName: "wg0", logLevel: "warn" });
  });

  test("the file of the secret counts after the variables of the secret", async () => {
    write('[secret]\nsecret-file = "/from/the/file"\n');
    expect((await daemon()).request?.secret).toMatchObject({
      secretFile: null,
      configuredFile: "/from/the/file",
    });
    expect((await daemon(["--secret-file", "/flag"])).request?.secret).toMatchObject({
      secretFile: "/flag",
      configuredFile: null,
    });
    expect((await daemon([], { WGMESH_SECRET_FILE: "/variable" })).request?.secret).toMatchObject({
      secretFile: null,
      configuredFile: null,
    });
  });
});

describe("wgmeshd refuses", () => {
  test("a file with mistakes: the first by file, line and key, and how many more", async () => {
    write("[interface]\nmtu = 1\nlisten-port = 0\n");
    const { code, err, request } = await daemon();
    expect([code, request]).toEqual([2, null]);
    expect(err).toContain(`${file}:5: mtu: "1" is not an MTU (and 1 more: see wgmesh config check)`);
  });

  test("values that contradict each other, by their places", async () => {
    write("[interface]\nmtu = 1200\n");
    expect((await daemon()).err).toContain(`${file}:5: mtu: 1200 is less than the 1280 bytes IPv6 needs`);
    write('[discovery]\ndiscovery-iface = ["eth0"]\n');
    expect((await daemon(["--exclude-iface", "eth0"])).err).toContain(
      `--exclude-iface: "eth0" is also in ${file}:5`,
    );
    write('[rpc]\nrpc-listen = "7443"\nsocket-group-admin = true\n');
    expect((await daemon()).err).toContain(`${file}:6: socket-group-admin: there is no group (and 1 more`);
    expect((await daemon(["--socket-group", "0"])).err).toContain(
      `${file}:5: rpc-listen: there are no tokens`,
    );
  });

  test("a relative path in a file, since it would depend on where it is started", async () => {
    write('[secret]\nsecret-file = "mesh.secret"\n');
    expect((await daemon()).err).toContain("an absolute path");
  });

  test("a file that is not there, or that others can write", async () => {
    expect((await wgmeshd(["--config", join(folder, "none.toml")])).err).toContain("no such file");
    chmodSync(file, 0o666);
    const { code, err } = await daemon();
    expect([code, err]).toEqual([4, expect.stringContaining("can be written by others")]);
  });

  test("a bad variable", async () => {
    const { code, err } = await daemon([], { WGMESH_DHT: "perhaps" });
    expect([code, err]).toEqual([2, expect.stringContaining('$WGMESH_DHT: "perhaps" is neither true nor')]);
  });
});

describe("where the file is looked for", () => {
  test("the one of the interface, else the one of all", () => {
    const name = "wg7" as InterfaceName;
    expect(usualFile(name, folder)).toBeNull();
    writeFileSync(join(folder, "wgmesh.toml"), "");
    expect(usualFile(name, folder)).toBe(join(folder, "wgmesh.toml"));
    writeFileSync(join(folder, "wg7.toml"), "");
    expect(usualFile(name, folder)).toBe(join(folder, "wg7.toml"));
  });

  test("$WGMESH_CONFIG names it too, and --config wins", async () => {
    const other = join(folder, "other.toml");
    writeFileSync(other, "[interface]\nmtu = 1333\n", { mode: 0o600 });
    const of = async (args: string[]) =>
      (await wgmeshd(args, { WGMESH_CONFIG: other, WGMESH_STATE_DIR: folder })).request?.options.mtu;
    expect(await of([])).toBe(1333);
    expect(await of(["--config", file])).toBeNull();
  });

  test("wgmesh finds the socket by it, though the rest of the file is broken since", async () => {
    mkdirSync(join(folder, "elsewhere"));
    const broken = `[files]\nrun-dir = "${folder}/elsewhere"\n[interface]\nmtu = "x"\n`;
    writeFileSync(file, broken, { mode: 0o600 });
    const { err } = await wgmesh(["status"], null, 1, {
      WGMESH_CONFIG: "",
      WGMESH_RUN_DIR: `${folder}/variable`,
    });
    expect(err).toContain(`${folder}/variable/wg0.sock`);
    expect((await wgmesh(["status", "--config", file])).err).toContain(`${file}:4: mtu`);
    writeFileSync(file, broken.replace('"x"', "1400"), { mode: 0o600 });
    expect((await wgmesh(["status", "--config", file])).err).toContain(`${folder}/elsewhere/wg0.sock`);
  });
});

describe("wgmesh config", () => {
  test("check tells all that is wrong, and ends with the code of bad usage", async () => {
    write("[interface]\nmtu = 1\nlisten-prot = 5\n[discovery]\ndht = 3\n");
    const { code, out, err } = await wgmesh(["config", "check", file]);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(`wgmesh: ${file}:5: mtu`);
    expect(err).toContain(`${file}:6: listen-prot is not a setting\nhint: did you mean listen-port?\n`);
    expect(err).toContain(`${file}:8: dht: the integer 3 was found\nhint: write true or false\n`);
  });

  test("check of a right file says so, and warns of variables that nothing reads", async () => {
    const { code, out, err } = await wgmesh(["config", "check", file], null, 1, { WGMESH_LISTEN_PROT: "1" });
    expect([code, out]).toEqual([0, `${file} is right\n`]);
    expect(err).toBe(
      "wgmesh: warning: $WGMESH_LISTEN_PROT is no variable of wgmesh; did you mean $WGMESH_LISTEN_PORT?\n",
    );
  });

  test("check --json has problems and hints", async () => {
    write("[interface]\nmtu = 1\n");
    const { code, out } = await wgmesh(["config", "check", file, "--json"]);
    expect(code).toBe(2);
    expect(JSON.parse(out)).toMatchObject({ file, problems: [{ message: expect.stringContaining("mtu") }] });
  });

  test("show without a daemon tells what one would start with, and why", async () => {
    write('[discovery]\ndht = false\npeer = ["a.example"]\n');
    write("[interface]\nmtu = 1400\n", keptFile);
    const { code, out } = await wgmesh(["config", "show", "--config", file], null, 1, { WGMESH_LOG: "warn" });
    expect(code).toBe(0);
    expect(out).toContain(`no daemon runs: what one would start with; ${file}\n`);
    const row = (key: string) =>
      out
        .split("\n")
        .find((line) => line.startsWith(`${key} `))
        ?.split(/ {2,}/);
    expect(row("dht")).toEqual(["dht", "false", `${file}:5`, "restart"]);
    expect(row("peer")).toEqual(["peer", "a.example", `${file}:6`, "live"]);
    expect(row("mtu")).toEqual(["mtu", "1400", `kept in ${keptFile}`, "restart"]);
    expect(row("log-level")).toEqual(["log-level", "warn", "$WGMESH_LOG", "live"]);
    expect(row("listen-port")).toEqual(["listen-port", "-", "default", "restart"]);
    expect(row("interface")).toEqual(["interface", "wg0", "default", "fixed"]);
  });

  test("show never has the secret, not even its name", async () => {
    const { out } = await wgmesh(["config", "show", "--config", file, "--json"], null, 1, {
      WGMESH_SECRET: "correct-horse-battery",
    });
    expect(out).not.toContain("correct-horse");
    const { settings } = JSON.parse(out) as { settings: { key: string }[] };
    expect(settings.map(({ key }) => key)).toEqual([...schema.keys()]);
    expect(settings.map(({ key }) => key)).not.toContain("secret");
  });

  test.each([
    ["set", ["config", "set", "log-level", "debug"]],
    ["unset", ["config", "unset", "log-level"]],
  ])("%s needs a daemon", async (_what, args) => {
    const { code, err } = await wgmesh([...args, "--config", file]);
    expect([code, err]).toEqual([6, expect.stringContaining("wg0.sock")]);
  });
});

test("what is kept is read back as it was", () => {
  write(
    `[interface]\nmtu = 1400\nipv6 = false\n[discovery]\npeer = ["[fd00::1]:7", "a.example"]\n` +
      `[routes]\naccept-routes = "none"\nadvertise-routes = []\n`,
  );
  const load = (text?: string) =>
    loadConfiguration({ flags: new Map(), env: { WGMESH_STATE_DIR: folder }, configFile: file }, text);
  const settings = new Map([...load().settings].filter(([, { origin }]) => origin.kind === "file"));
  for (const key of ["state-dir", "run-dir"]) settings.delete(key);
  const text = keptText(settings);
  expect(text).toContain("[interface]\n");
  const again = load(text ?? "");
  expect(again.problems).toEqual([]);
  const plain = (layer: ReadonlyMap<string, { value: unknown; origin: Origin }>) =>
    [...layer].map(([key, { value }]) => [key, plainValue(value)]);
  expect(plain(again.kept)).toEqual(plain(settings));
  expect(keptText(new Map())).toBeNull();
});

test("variables of others' concern are none of ours", () => {
  expect(
    unknownVariables({ PATH: "/bin", WGMESH_SECRET: "x", WGMESH_CONFIG: "x", WGMESH_TEST_X: "1" }),
  ).toEqual([]);
});
