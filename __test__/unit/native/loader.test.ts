import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as imported from "@wgmesh/native";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

const packageFolder = fileURLToPath(new URL("../../../native/", import.meta.url));
const required = createRequire(import.meta.url)("@wgmesh/native") as Record<string, unknown>;

vi.setConfig({ testTimeout: 120_000 });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wgmesh-test-loader-"));
  for (const part of ["index.js", "lib", "package.json"]) {
    cpSync(join(packageFolder, part), join(folder, part), { recursive: true });
  }
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What loading the copy of index.js prints, with `prelude` run before. */
function load(prelude = ""): string {
  const program = `${prelude}
    try { console.log(require(${JSON.stringify(folder)}).version); } catch (error) { console.log(error.code, error.message); }`;
  return spawnSync(process.execPath, ["-e", program], { encoding: "utf8" }).stdout;
}

test("index.js exports what index.d.ts says, to CommonJS and to ESM", () => {
  const index = readFileSync(join(packageFolder, "index.d.ts"), "utf8");
  const declared = [...index.matchAll(/^export \* from "\.\/(types\/\w+)\.js";$/gm)]
    .map(([, file]) => readFileSync(join(packageFolder, `${file}.d.ts`), "utf8"))
    .flatMap((types) => [...types.matchAll(/^export (?:class|function|const) (\w+)/gm)])
    .map(([, name]) => name);
  expect(declared.length).toBeGreaterThan(25);
  expect(Object.keys(required).sort()).toEqual(declared.sort());
  const namesOfEsm = Object.keys(imported).filter((name) => name !== "default" && name !== "module.exports");
  expect(namesOfEsm.sort()).toEqual(declared);
});

test("without a binary it says how to get one", () => {
  const { version } = imported;
  expect(load()).toMatch(
    /^ENOENT ENOENT: cannot load @wgmesh\/native: the package @wgmesh\/native-\S+ with its binary is missing; install it with "npm /,
  );
  expect(load()).toContain(`-${process.arch}`);
  expect(load()).toContain(`@${version}"`);
});

test("an old Node.js is told which one is needed", () => {
  const fake = (node: string): string =>
    `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${node}" }, configurable: true });`;
  expect(load(fake("18.20.8"))).toBe(
    "ENOTSUP ENOTSUP: cannot load @wgmesh/native: it needs Node.js 20.19 or newer, this is 18.20.8; install a newer one\n",
  );
  const versions = ["6.17.1", "18.20.8", "20.18.3", "20.19.0", "22.0.0", "24.1.0", "100.0.0"];
  const check = `require(${JSON.stringify(join(folder, "lib/node-version.js"))}).check();`;
  const each = versions.map(
    (node) => `${fake(node)} try { ${check} console.log("fit"); } catch { console.log("old"); }`,
  );
  const { stdout } = spawnSync(process.execPath, ["-e", each.join("\n")], { encoding: "utf8" });
  expect(stdout.trimEnd().split("\n")).toEqual(["old", "old", "old", "fit", "fit", "fit", "fit"]);
  expect(JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8")).engines.node).toBe(">=20.19");
});

test("another platform is named, with those that there are", () => {
  const sunos = `Object.defineProperty(process, "platform", { value: "sunos" });`;
  expect(load(sunos)).toMatch(/^ENOTSUP .* no binary for sunos-\w+, only for linux-x64, /);
});

/** A platform package whose "binary" is a module with these names. */
function plant(platform: string, names: string): void {
  const platformPackage = join(folder, "node_modules/@wgmesh", `native-${platform}`);
  mkdirSync(platformPackage, { recursive: true });
  writeFileSync(join(platformPackage, "index.js"), `module.exports = ${names};`);
}

const mac = `for (const [name, value] of [["platform", "darwin"], ["arch", "arm64"]])
  Object.defineProperty(process, name, { value });`;
const handles = ["PrivateKey", "PresharedKey", "MeshSecret", "NodeIdentity"].map(
  (name) => `${name}: class ${name} {}`,
);

test("what a platform lacks says so when it is used, functions, classes and their static methods", () => {
  plant("darwin-arm64", `{ VERSION: "${imported.version}", ${handles} }`);
  expect(load(mac)).toBe(`${imported.version}\n`);
  const program = `${mac} const n = require(${JSON.stringify(folder)});
    for (const use of [() => n.linkList(), () => n.linkCreate("a", "dummy"), () => new n.NetworkMonitor(() => {}),
        () => n.WireGuardDevice.open("embedded", "wg0"), () => n.NamespaceLock.tryAcquire("x")])
      try { use(); console.log("used"); } catch (error) { console.log(error.code, error.message); }`;
  const { stdout } = spawnSync(process.execPath, ["-e", program], { encoding: "utf8" });
  const names = [
    "linkList",
    "linkCreate",
    "NetworkMonitor",
    "WireGuardDevice.open",
    "NamespaceLock.tryAcquire",
  ];
  const line = (name: string) =>
    `ENOTSUP ENOTSUP: cannot use ${name}: the binary for darwin does not have it`;
  expect(stdout.trimEnd().split("\n")).toEqual(names.map(line));
});

test("a binary of another version is refused", () => {
  plant("darwin-arm64", `{ VERSION: "9.9.9", ${handles} }`);
  expect(load(mac)).toMatch(
    /^EVERSION EVERSION: cannot load @wgmesh\/native: this is version \S+, but the binary of @wgmesh\/native-darwin-arm64 has 9\.9\.9; install /,
  );
});

test("the platform package is taken when nothing was built, and a broken binary is not hidden", () => {
  const built = readdirSync(packageFolder).find((name) => /^wgmesh\..*\.node$/.test(name)) ?? "";
  const platform = built.split(".")[1];
  const platformPackage = join(folder, "node_modules/@wgmesh", `native-${platform}`);
  mkdirSync(platformPackage, { recursive: true });
  writeFileSync(join(platformPackage, "package.json"), JSON.stringify({ main: built }));
  copyFileSync(join(packageFolder, built), join(platformPackage, built));
  expect(load()).toBe(`${imported.version}\n`);

  writeFileSync(join(folder, built), "not a library");
  expect(load()).toMatch(/^ERR_DLOPEN_FAILED /);
});
