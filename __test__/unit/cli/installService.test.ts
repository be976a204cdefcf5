import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readRepositoryFile } from "../layout/repository.ts";
import { wgmesh } from "./run.ts";

let root: string;
let secretFile: string;
const at = (path: string): string => join(root, path);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "wgmesh-root-"));
  secretFile = at("mesh.secret");
  writeFileSync(secretFile, "a-secret-of-many-letters-0123456789-abcdefghij\n", { mode: 0o600 });
});
afterEach(() => rmSync(root, { recursive: true }));

const install = (...words: string[]) =>
  wgmesh(["install-service", "--root", root, "--secret-file", secretFile, ...words]);

describe("install-service --root", () => {
  test("writes all files of another machine: options as a configuration file, the secret apart", async () => {
    const { code, out, err } = await install(
      "--iface",
      "mesh1",
      "--no-dht",
      "--peer",
      "203.0.113.7",
      "--listen-port",
      "443",
    );
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toBe(`mesh1: installed below ${root}\n`);
    const config = readFileSync(at("/etc/wgmesh/mesh1.toml"), "utf8");
    expect(config).toContain("[discovery]\n");
    expect(config).toContain("dht = false\n");
    expect(config).toContain("listen-port = 443\n");
    expect(config).not.toMatch(/secret-file|a-secret/);
    expect(readFileSync(at("/etc/wgmesh/mesh1.secret"), "utf8")).toBe(
      "a-secret-of-many-letters-0123456789-abcdefghij",
    );
    expect(statSync(at("/etc/wgmesh/mesh1.secret")).mode & 0o777).toBe(0o600);
    const dropIn = readFileSync(at("/etc/systemd/system/wgmesh@mesh1.service.d/capabilities.conf"), "utf8");
    expect(dropIn).toContain("CAP_NET_BIND_SERVICE");
    // What it wrote, wgmesh reads.
    expect((await wgmesh(["config", "check", "--config", at("/etc/wgmesh/mesh1.toml")])).code).toBe(0);

    expect((await wgmesh(["uninstall-service", "--root", root, "--iface", "mesh1", "--purge"])).out).toBe(
      "mesh1: the service is gone\n",
    );
    expect(existsSync(at("/etc/wgmesh"))).toBe(false);
  });

  test("leaves a configuration file alone, and says so when options were given too", async () => {
    await install("--mtu", "1400");
    const before = readFileSync(at("/etc/wgmesh/wg0.toml"), "utf8");
    const { code, err } = await install("--mtu", "1300");
    expect(code).toBe(2);
    expect(err).toContain("/etc/wgmesh/wg0.toml is there already");
    expect((await install()).code).toBe(0);
    expect(readFileSync(at("/etc/wgmesh/wg0.toml"), "utf8")).toBe(before);
  });

  test("keeps systemd-networkd, and NetworkManager where there is one, off the interface", async () => {
    const networkd = at("/etc/systemd/network/00-wgmesh-wg0.network");
    const networkManager = at("/etc/NetworkManager/conf.d/wgmesh-wg0.conf");
    await install();
    expect(readFileSync(networkd, "utf8")).toContain("[Match]\nName=wg0\n\n[Link]\nUnmanaged=yes\n");
    expect(existsSync(networkManager)).toBe(false);
    mkdirSync(at("/etc/NetworkManager/conf.d"), { recursive: true });
    await install();
    expect(readFileSync(networkManager, "utf8")).toContain(
      "[keyfile]\nunmanaged-devices+=interface-name:wg0\n",
    );
    // What a package may put in place.
    for (const [made, shipped] of [
      [networkd, "networkd/00-wgmesh-wg0.network"],
      [networkManager, "NetworkManager/wgmesh-wg0.conf"],
    ] as const)
      expect(readFileSync(made, "utf8")).toBe(readRepositoryFile(`packaging/${shipped}`));
    await wgmesh(["uninstall-service", "--root", root]);
    expect([networkd, networkManager].filter((path) => existsSync(path))).toEqual([]);
    expect(existsSync(at("/etc/NetworkManager/conf.d"))).toBe(true);
  });

  test("keeps the secret that is there", async () => {
    await install();
    const { code, err } = await wgmesh(["install-service", "--root", root]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(readFileSync(at("/etc/wgmesh/wg0.secret"), "utf8")).toMatch(/^a-secret/);
  });

  test.each([
    [["--state-dir", "/srv/x"], 2, "--state-dir is not for a service"],
    [["--log-file", "/var/log/x"], 2, "--log-file is not for a service"],
    [["--daemon"], 2, "--daemon is not for a service"],
    [["--mtu", "12"], 2, "--mtu"],
    [["--secret-file", "/nowhere/secret"], 3, "/nowhere/secret"],
  ])("refuses %j and writes nothing", async (words, exitCode, text) => {
    const { code, err } = await install(...words);
    expect(code).toBe(exitCode);
    expect(err).toContain(text);
    expect(existsSync(at("/etc"))).toBe(false);
  });
});

test("install-service --print shows the unit and does nothing", async () => {
  const { code, out } = await wgmesh(["install-service", "--root", root, "--print"]);
  expect(code).toBe(0);
  expect(out).toContain("[Service]\nType=notify\n");
  expect(existsSync(at("/etc"))).toBe(false);
});

test("uninstall-service without a service says that there was none", async () => {
  const { code, out } = await wgmesh(["uninstall-service", "--root", root]);
  expect({ code, out }).toEqual({ code: 0, out: "wg0: there was no service\n" });
});
