import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { interfaceName } from "../../../src/config/values.ts";
import { type ServiceHost, serviceHost } from "../../../src/service/host.ts";
import { installLaunchd, uninstallLaunchd } from "../../../src/service/launchd.ts";
import { installSystemd, uninstallSystemd } from "../../../src/service/systemd.ts";

const name = (text: string) => interfaceName(text, "--iface");
const programs = { node: "/usr/bin/node", wgmeshd: "/usr/lib/w/wgmeshd.js", wgmesh: "/usr/lib/w/wgmesh.js" };

/** Real files below a folder; programs of the system are told and not run. */
class RecordingHost {
  readonly ran: string[] = [];
  readonly host: ServiceHost;
  failing = "";

  constructor(root: string) {
    this.host = {
      ...serviceHost(root),
      run: (...words) => {
        this.ran.push(words.join(" "));
        if (this.failing !== "" && words.join(" ").includes(this.failing)) throw new Error("it did not");
      },
      succeeds: (...words) => {
        this.ran.push(words.join(" "));
        return words[0] === "getent";
      },
    };
  }
}

/** A machine where no daemon has crashed. */
const undo = (): Promise<boolean> => Promise.resolve(false);

let root: string;
let recording: RecordingHost;
const at = (path: string): string => join(root, path);
const mode = (path: string): number => statSync(at(path)).mode & 0o777;
const files = () => serviceHost(root).list("/etc/wgmesh").sort();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "wgmesh-service-"));
  recording = new RecordingHost(root);
});
afterEach(() => rmSync(root, { recursive: true }));

function install(interfaceName: string, capabilities: string | null = null): Promise<void> {
  return installSystemd(recording.host, {
    interfaceName: name(interfaceName),
    programs,
    config: "[interface]\nmtu = 1400\n",
    capabilities,
    secret: new TextEncoder().encode("wgmesh://v1/abc"),
  });
}

describe("a systemd service", () => {
  test("is installed with its secret for root alone, and started", async () => {
    const secret = new TextEncoder().encode("wgmesh://v1/abc");
    await installSystemd(recording.host, {
      interfaceName: name("wg0"),
      programs,
      config: null,
      capabilities: null,
      secret,
    });
    expect(readFileSync(at("/etc/wgmesh/wg0.secret"), "utf8")).toBe("wgmesh://v1/abc");
    expect(mode("/etc/wgmesh/wg0.secret")).toBe(0o600);
    expect(secret.every((byte) => byte === 0)).toBe(true);
    expect(readFileSync(at("/etc/wgmesh/service-user"), "utf8")).toBe("wgmesh\n");
    expect(mode("/etc/wgmesh/service-user")).toBe(0o644);
    expect(mode("/etc/systemd/system/wgmesh@.service")).toBe(0o644);
    expect(readlinkSync(at("/etc/systemd/system/multi-user.target.wants/wgmesh@wg0.service"))).toBe(
      "/etc/systemd/system/wgmesh@.service",
    );
    expect(files()).toEqual(["service-user", "wg0.secret"]);
    expect(recording.ran).toEqual([
      // The interface is not networkd's.
      "networkctl reload",
      "systemd-sysusers /etc/sysusers.d/wgmesh.conf",
      "systemctl daemon-reload",
      "systemctl restart wgmesh@wg0.service",
    ]);
  });

  test("that does not start says where the reason is", async () => {
    recording.failing = "restart";
    await expect(install("wg0")).rejects.toMatchObject({
      code: "ERR_START",
      hint: expect.stringContaining("journalctl -u wgmesh@wg0.service"),
    });
  });

  test("loses the capabilities of an earlier installation", async () => {
    const path = at("/etc/systemd/system/wgmesh@wg0.service.d/capabilities.conf");
    await install("wg0", "[Service]\n");
    expect(readFileSync(path, "utf8")).toBe("[Service]\n");
    await install("wg0");
    expect(existsSync(path)).toBe(false);
  });

  test("leaves key and configuration, and with --purge nothing", async () => {
    await install("wg0", "[Service]\n");
    await recording.host.write("/var/lib/wgmesh/wg0.json", "{}", 0o600);
    await recording.host.write("/var/lib/wgmesh/.wg0.json.0123456789ab.tmp", "{}", 0o600);
    await recording.host.write("/etc/wgmesh/wg0.cred", "encrypted", 0o600);
    await recording.host.write("/run/wgmesh/wg0.lock", "", 0o600);
    recording.ran.length = 0;
    expect(await uninstallSystemd(recording.host, name("wg0"), false, undo)).toEqual({
      installed: true,
      kept: ["/etc/wgmesh/wg0.toml", "/etc/wgmesh/wg0.secret", "/etc/wgmesh/wg0.cred", "/var/lib/wgmesh"],
    });
    expect(recording.ran[0]).toBe("systemctl stop wgmesh@wg0.service");
    expect(recording.ran.indexOf("chown -Rh root:root /var/lib/wgmesh")).toBeLessThan(
      recording.ran.indexOf("userdel wgmesh"),
    );
    expect(serviceHost(root).list("/etc/systemd/system")).toEqual(["multi-user.target.wants"]);
    expect(existsSync(at("/run/wgmesh"))).toBe(false);

    expect(await uninstallSystemd(recording.host, name("wg0"), true, undo)).toEqual({
      installed: false,
      kept: [],
    });
    expect(existsSync(at("/etc/wgmesh"))).toBe(false);
    expect(existsSync(at("/var/lib/wgmesh"))).toBe(false);
  });

  test("goes once what a crash left is undone, by records that are still there; not at all when that fails", async () => {
    await install("wg0");
    await recording.host.write("/run/wgmesh/wg0.forwarding.json", "{}", 0o600);
    const isThere = (): boolean => existsSync(at("/run/wgmesh/wg0.forwarding.json"));
    recording.ran.length = 0;
    const failing = uninstallSystemd(recording.host, name("wg0"), true, () =>
      Promise.reject(new Error("damaged")),
    );
    await expect(failing).rejects.toThrow("damaged");
    expect(recording.ran).toContain("systemctl stop wgmesh@wg0.service");
    expect([isThere(), existsSync(at("/etc/wgmesh/wg0.secret"))]).toEqual([true, true]);

    const seen: unknown[] = [];
    const { installed } = await uninstallSystemd(recording.host, name("wg0"), true, async (runDir) => {
      seen.push(runDir, isThere(), recording.ran.at(-1));
    });
    expect(seen).toEqual(["/run/wgmesh", true, "systemctl stop wgmesh@wg0.service"]);
    expect([installed, isThere()]).toEqual([true, false]);
  });

  test("goes without touching its neighbours", async () => {
    for (const one of ["wg0", "wg0-b", "wg01"]) {
      await install(one);
      await recording.host.write(`/var/lib/wgmesh/${one}.json`, "{}", 0o600);
      await recording.host.write(`/var/lib/wgmesh/${one}-peers.json`, "{}", 0o600);
    }
    recording.ran.length = 0;
    await uninstallSystemd(recording.host, name("wg0"), true, undo);
    expect(files()).toEqual(["service-user", "wg0-b.secret", "wg0-b.toml", "wg01.secret", "wg01.toml"]);
    expect(serviceHost(root).list("/var/lib/wgmesh").sort()).toEqual([
      "wg0-b-peers.json",
      "wg0-b.json",
      "wg01-peers.json",
      "wg01.json",
    ]);
    expect(existsSync(at("/etc/systemd/system/wgmesh@.service"))).toBe(true);
    expect(recording.ran).not.toContain("userdel wgmesh");
  });
});

test("a launchd job is installed and taken away", async () => {
  const plist = "/Library/LaunchDaemons/wgmesh.wg0.plist";
  const secret = new TextEncoder().encode("wgmesh://v1/abc");
  const installation = { interfaceName: name("wg0"), programs, config: null, capabilities: null, secret };
  await installLaunchd(recording.host, installation);
  expect(mode("/etc/wgmesh/wg0.secret")).toBe(0o600);
  expect(mode(plist)).toBe(0o644);
  expect(recording.ran).toEqual([
    "launchctl bootout system/wgmesh.wg0",
    `launchctl bootstrap system ${plist}`,
  ]);
  expect(await uninstallLaunchd(recording.host, name("wg0"), false, undo)).toEqual({
    installed: true,
    kept: ["/etc/wgmesh/wg0.secret"],
  });
  expect(await uninstallLaunchd(recording.host, name("wg0"), true, undo)).toEqual({
    installed: false,
    kept: [],
  });
  expect(existsSync(at(plist))).toBe(false);
});
