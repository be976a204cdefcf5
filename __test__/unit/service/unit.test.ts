import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { optionsOf, settingsOf } from "../../../src/config/layers.ts";
import { type DaemonOptions, daemonOptions } from "../../../src/config/options.ts";
import { capabilitiesDropIn, capabilitiesFor, sysusersText, unitText } from "../../../src/service/unit.ts";

/** Where a package puts them. */
const programs = {
  node: "/usr/bin/node",
  wgmeshd: "/usr/lib/wgmesh/dist/wgmeshd.js",
  wgmesh: "/usr/lib/wgmesh/dist/wgmesh.js",
};

const defaults = optionsOf<DaemonOptions>(daemonOptions, settingsOf(daemonOptions, []));

test("packaging has the unit and the user as they are made", async () => {
  await expect(unitText(programs)).toMatchFileSnapshot("../../../packaging/systemd/wgmesh@.service");
  await expect(sysusersText).toMatchFileSnapshot("../../../packaging/systemd/wgmesh.sysusers");
});

describe("systemd reads the unit", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "wgmesh-unit-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const analyze = (text: string, ...words: string[]) => {
    const path = join(folder, "wgmesh@wg0.service");
    writeFileSync(path, text);
    const { status, stdout, stderr } = spawnSync("systemd-analyze", [...words, path], { encoding: "utf8" });
    return { status, said: stdout + stderr };
  };

  test("and gives it an exposure of 2.0 at most", () => {
    const { status, said } = analyze(unitText(programs), "security", "--offline=true", "--threshold=20");
    expect(said).toContain("Overall exposure level");
    expect(status, said).toBe(0);
  });

  test("and finds no line that it does not know", () => {
    const here = { node: process.execPath, wgmeshd: "/a b/100%/$HOME.js", wgmesh: "/usr/bin/env" };
    expect(analyze(unitText(here), "verify", "--man=no").said).not.toMatch(
      /wgmesh@wg0\.service:\d+|Unknown|Invalid|Failed to resolve/,
    );
  });
});

test("paths with signs that systemd would read are quoted", () => {
  const text = unitText({ ...programs, wgmeshd: '/opt/a "b"/50%/$x.js' });
  expect(text).toContain(
    'ExecStart=/usr/bin/node --max-old-space-size=256 "/opt/a \\"b\\"/50%%/$$x.js" --iface %i\n',
  );
});

describe("capabilities", () => {
  test("are the template's for what works everywhere", () => {
    expect(capabilitiesFor(defaults)).toEqual(["CAP_NET_ADMIN", "CAP_NET_RAW"]);
    expect(capabilitiesDropIn(defaults)).toBeNull();
  });

  test.each<[string, Partial<DaemonOptions>]>([
    ["the embedded engine, which has its own socket", { backend: "embedded" }],
    ["neither STUN nor punching", { stun: false, punching: false }],
  ])("are fewer with %s", (_, change) => {
    expect(capabilitiesFor({ ...defaults, ...change })).toEqual(["CAP_NET_ADMIN"]);
    expect(capabilitiesDropIn({ ...defaults, ...change })).toMatch(
      /^AmbientCapabilities=\nAmbientCapabilities=CAP_NET_ADMIN\nCapabilityBoundingSet=\nCapabilityBoundingSet=CAP_NET_ADMIN$/m,
    );
  });

  test.each<[string, Partial<DaemonOptions>]>([
    ["--listen-port", { listenPort: 443 }],
    ["--relay-port", { relayPort: 1023 }],
    ["--http-listen", { httpListen: { host: "127.0.0.1", port: 80 } as DaemonOptions["httpListen"] }],
  ])("are one more for a low %s", (_, change) => {
    expect(capabilitiesFor({ ...defaults, ...change })).toContain("CAP_NET_BIND_SERVICE");
    expect(capabilitiesFor({ ...defaults, listenPort: 1024 })).not.toContain("CAP_NET_BIND_SERVICE");
  });
});
