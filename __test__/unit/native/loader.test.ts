import { spawnSync } from "node:child_process";
import {
  copyFileSync,
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
import { afterEach, beforeEach, expect, test } from "vitest";

const packageFolder = fileURLToPath(new URL("../../../native/", import.meta.url));
const required = createRequire(import.meta.url)("@wgmesh/native") as Record<string, unknown>;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wgmesh-test-loader-"));
  copyFileSync(join(packageFolder, "index.js"), join(folder, "index.js"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What loading the copy of index.js prints, with `prelude` run before. */
function load(prelude = ""): string {
  const program = `${prelude}
    try { console.log(require(${JSON.stringify(folder)}).version); } catch (error) { console.log(error.code, error.message); }`;
  return spawnSync(process.execPath, ["-e", program], { encoding: "utf8" }).stdout;
}

test("index.js exports what index.d.ts says, to CommonJS and to ESM", () => {
  const types = readFileSync(join(packageFolder, "index.d.ts"), "utf8");
  const declared = [...types.matchAll(/^export (?:class|function|const) (\w+)/gm)].map(([, name]) => name);
  expect(Object.keys(required).sort()).toEqual(declared.sort());
  const namesOfEsm = Object.keys(imported).filter((name) => name !== "default" && name !== "module.exports");
  expect(namesOfEsm.sort()).toEqual(declared);
});

test("without a binary it says how to get one", () => {
  expect(load()).toMatch(
    /^ENOENT ENOENT: cannot load @wgmesh\/native: .* build it with "npm run build:native"\n$/,
  );
});

test("another platform is named, with those that there are", () => {
  const sunos = `Object.defineProperty(process, "platform", { value: "sunos" });`;
  expect(load(sunos)).toMatch(/^ENOTSUP .* no binary for sunos-\w+, only linux-x64, /);
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
