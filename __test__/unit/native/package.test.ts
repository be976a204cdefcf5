/**
 * The packages as they are published: packed, installed from the tarballs into an empty project without a registry, and used from
 * CommonJS, ESM and TypeScript; and what is said where the platform package is missing, or there is none.
 */
import { execFileSync, type SpawnSyncReturns, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { version } from "@wgmesh/native";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root } from "../layout/repository.ts";

const timeoutMs = 120_000;
/** Nobody listens on the discard port of this machine: what would be fetched fails at once. */
const noRegistry = ["--offline", "--registry=http://127.0.0.1:9", "--no-audit", "--no-fund"];

let folder: string;
let tarballs: { main: string; platform: string };
/** Has both packages. */
let project: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "wgmesh-test-package-"));
  const packed = path.join(folder, "packed");
  run("node", [path.join(root, "scripts/pack-native.mjs"), packed], root);
  const [main = "", platform = "", ...others] = readdirSync(packed)
    .map((file) => path.join(packed, file))
    .sort((a, b) => a.length - b.length);
  expect(others, "only this machine's binary is there").toEqual([]);
  tarballs = { main, platform };
  project = install("both", [main, platform]);
}, timeoutMs);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An empty project with these tarballs installed. */
function install(name: string, packages: readonly string[]): string {
  const place = path.join(folder, name);
  mkdirSync(place);
  writeFileSync(path.join(place, "package.json"), JSON.stringify({ name, version: "1.0.0", private: true }));
  run("npm", ["install", ...noRegistry, `--cache=${path.join(folder, "cache")}`, ...packages], place);
  return place;
}

function run(command: string, args: readonly string[], cwd: string): string {
  return execFileSync(command, args, { cwd, encoding: "utf8", stdio: "pipe" });
}

/** Runs a program of the project. */
function node(
  place: string,
  file: string,
  code: string,
  args: readonly string[] = [],
): SpawnSyncReturns<string> {
  writeFileSync(path.join(place, file), code);
  return spawnSync("node", [...args, file], { cwd: place, encoding: "utf8" });
}

function contents(tarball: string): string[] {
  const listed = run("tar", ["-tzf", tarball], folder);
  return listed
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/^package\//, ""))
    .sort();
}

describe("the tarballs", { timeout: timeoutMs }, () => {
  test("hold what belongs there and nothing else", () => {
    const legal = ["LICENSE", "NOTICE", "README.md", "package.json"];
    const code = ["device", "dht", "errors", "face", "load", "network", "node-version", "redacted", "relay"];
    const types = [
      "backup",
      "dht",
      "errors",
      "health",
      "keys",
      "links",
      "mesh",
      "relay",
      "routes",
      "routing",
      "system",
      "wireguard",
    ];
    expect(contents(tarballs.main)).toEqual(
      [
        ...legal,
        "index.js",
        "index.d.ts",
        ...code.map((name) => `lib/${name}.js`),
        ...types.map((name) => `types/${name}.d.ts`),
      ].sort(),
    );
    const binary = contents(tarballs.platform).find((file) => file.endsWith(".node"));
    expect(binary).toMatch(/^wgmesh\.linux-(x64|arm64)-(gnu|musl)\.node$/);
    expect(contents(tarballs.platform)).toEqual([...legal, binary].sort());
  });

  test("name all platform packages in the same version, and nothing of the building", () => {
    const manifest = JSON.parse(run("tar", ["-xzOf", tarballs.main, "package/package.json"], folder));
    const platforms = readdirSync(path.join(root, "npm")).map((name) => [`@wgmesh/native-${name}`, version]);
    expect(platforms).toHaveLength(6);
    expect(manifest.optionalDependencies).toEqual(Object.fromEntries(platforms));
    expect(manifest).not.toHaveProperty("devDependencies");
    expect(manifest).not.toHaveProperty("dependencies");
    expect(manifest).not.toHaveProperty("scripts");
  });

  test.each(["main", "platform"] as const)("publint finds nothing in the package for %s", (which) => {
    const said = run("node", [bin("publint/src/cli.js"), "run", "--strict", tarballs[which]], folder);
    expect(said).toContain("All good!");
  });

  test("the types are right for every way of resolving them (attw)", () => {
    const args = [bin("@arethetypeswrong/cli/dist/index.js"), tarballs.main, "--format", "json"];
    const { analysis, problems } = JSON.parse(run("node", args, folder));
    expect(analysis.types).toEqual({ kind: "included" });
    expect(problems ?? {}).toEqual({});
  });
});

/** A tool of the repository. */
function bin(file: string): string {
  return path.join(root, "node_modules", file);
}

const use = `
  const key = native.PrivateKey.generate();
  console.log(native.version, key.publicKey.length, String(key), native.linkGet("lo").name);`;
const used = `${version} 44 PrivateKey([redacted]) lo\n`;

describe("an installed package", { timeout: timeoutMs }, () => {
  test("works from CommonJS", () => {
    const { stdout, stderr } = node(project, "use.cjs", `const native = require("@wgmesh/native");${use}`);
    expect([stderr, stdout]).toEqual(["", used]);
  });

  test("works from ESM, by name, and is the same one there", () => {
    const code = `
      import { createRequire } from "node:module";
      import { PrivateKey, linkGet, version } from "@wgmesh/native";
      import * as native from "@wgmesh/native";
      if (createRequire(import.meta.url)("@wgmesh/native").PrivateKey !== PrivateKey) throw new Error("two packages");
      if (native.linkGet !== linkGet || native.version !== version) throw new Error("other names");${use}`;
    const { stdout, stderr } = node(project, "use.mjs", code);
    expect([stderr, stdout]).toEqual(["", used]);
  });

  /** Slips that the types must find are marked as expected; one that is not found is an error as well. */
  const typed = `
    import { type DeviceEvent, type NativeError, type PeerChange, PresharedKey, PrivateKey, WireGuardDevice } from "@wgmesh/native";
    export async function use(device: WireGuardDevice): Promise<number> {
      const privateKey: PrivateKey = PrivateKey.generate();
      device.configure({ privateKey, listenPort: 51820 });
      const change: PeerChange = { publicKey: privateKey.publicKey, presharedKey: PresharedKey.generate() };
      const failures = await device.apply([change]);
      device.onEvent((event: DeviceEvent) => { if (event.type === "handshake") console.log(event.publicKey); });
      try { device.up(); } catch (error) { console.log((error as NativeError).code); }
      // @ts-expect-error: a port is a number
      device.configure({ privateKey, listenPort: "51820" });
      // @ts-expect-error: there is no such member
      await device.apply([{ publicKey: "", presharedkey: null }]);
      // @ts-expect-error: handles are made by their static methods
      new PrivateKey();
      // @ts-expect-error: the kinds are known
      WireGuardDevice.open("user-space", "wg0");
      return failures.length + (await device.read()).peers.length;
    }`;
  const ways: readonly [way: string, files: readonly string[], options: object][] = [
    [
      "node16, from ESM and from CommonJS",
      ["use.mts", "use.cts"],
      { module: "node16", moduleResolution: "node16" },
    ],
    ["nodenext", ["use.mts"], { module: "nodenext", moduleResolution: "nodenext" }],
    ["bundler", ["use.ts"], { module: "esnext", moduleResolution: "bundler" }],
  ];
  /** The compiler before took twenty times as long, so it has one way only. */
  const cases = [
    ...ways.map((way) => ["TypeScript 7", ...way, "@typescript/native/bin/tsc"] as const),
    ...ways.slice(0, 1).map((way) => ["TypeScript 6", ...way, "typescript/bin/tsc"] as const),
  ];

  test.each(cases)("is typed for %s with %s", (_compiler, way, files, options, tsc) => {
    const place = path.join(project, `types-${tsc.split("/")[0]}-${way.split(/\W/)[0]}`);
    mkdirSync(path.join(place, "node_modules/@types"), { recursive: true });
    symlinkSync(bin("@types/node"), path.join(place, "node_modules/@types/node"));
    symlinkSync(bin("undici-types"), path.join(place, "node_modules/undici-types"));
    for (const file of files) writeFileSync(path.join(place, file), typed);
    const compilerOptions = {
      ...options,
      strict: true,
      target: "es2023",
      lib: ["es2023"],
      types: ["node"],
      noEmit: true,
    };
    writeFileSync(path.join(place, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
    const { status, stdout } = spawnSync("node", [bin(tsc), "-p", "."], { cwd: place, encoding: "utf8" });
    expect([stdout, status]).toEqual(["", 0]);
  });
});

describe("where the binary is missing", { timeout: timeoutMs }, () => {
  const report = (load: string): string =>
    `${load}.then(() => console.log("loaded"), (error) => console.log(error.code, error.message));`;
  const loaders: readonly [way: string, file: string, code: string][] = [
    ["import", "load.mjs", report(`import("@wgmesh/native")`)],
    ["require", "load.cjs", report(`Promise.resolve().then(() => require("@wgmesh/native"))`)],
  ];

  test("npm installs without the platform package, and loading names it with the remedy", () => {
    const place = install("alone", [tarballs.main]);
    const platform = path
      .basename(tarballs.platform)
      .replace(/^wgmesh-(native-.*)-\d+\.\d+\.\d+\.tgz$/, "@wgmesh/$1");
    for (const [way, file, code] of loaders) {
      const { stdout } = node(place, file, code);
      expect(stdout, way).toContain(
        `ENOENT ENOENT: cannot load @wgmesh/native: the package ${platform} with its binary is missing`,
      );
      expect(stdout, way).toContain(`npm install ${platform}@${version}`);
    }
  });

  const fakes: readonly [name: string, platform: string, arch: string, expected: RegExp][] = [
    [
      "an unsupported system",
      "win32",
      "x64",
      /^ENOTSUP .* there is no binary for win32-x64, only for linux-x64, linux-arm64, darwin-x64, darwin-arm64$/,
    ],
    ["an unsupported processor", "linux", "riscv64", /^ENOTSUP .* no binary for linux-riscv64, /],
    [
      "another supported system",
      "darwin",
      "arm64",
      /^ENOENT .* the package @wgmesh\/native-darwin-arm64 with its binary is missing/,
    ],
  ];
  test.each(fakes)("%s is told so", (_name, platform, arch, expected) => {
    const fake = path.join(project, "fake.cjs");
    const values = Object.entries({ platform, arch });
    writeFileSync(
      fake,
      `for (const [name, value] of ${JSON.stringify(values)}) Object.defineProperty(process, name, { value });`,
    );
    for (const [way, file, code] of loaders) {
      expect(node(project, file, code, ["--require", fake]).stdout.trimEnd(), way).toMatch(expected);
    }
  });
});
