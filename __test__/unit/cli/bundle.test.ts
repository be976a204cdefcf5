import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root } from "../layout/repository.ts";
import { wgmesh } from "./run.ts";

/** The real binaries, in a folder from which the addon cannot be found. */
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "wgmesh-dist-"));
  execFileSync(process.execPath, [path.join(root, "scripts/build-ts.mjs"), folder]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (name: string, ...args: string[]) =>
  spawnSync(process.execPath, [path.join(folder, `${name}.js`), ...args], { encoding: "utf8", env: {} });

/** Every file that is loaded before the first line of `file` runs. */
function loadedAtOnce(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const imports = readFileSync(file, "utf8").matchAll(/^(?:import|\} from) .*?"(\.[^"]+)"/gm);
  for (const [, to] of imports) loadedAtOnce(path.join(path.dirname(file), to ?? ""), seen);
  return seen;
}

describe.each(["wgmeshd", "wgmesh"])("%s", (name) => {
  const { version } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
    version: string;
  };

  test.each([["--version"], ["-v"], ["--iface", "wg0", "-v"]])("%s tells the version", (...args) => {
    expect(run(name, ...args)).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: "" });
  });

  test("loads next to nothing for that", () => {
    expect(loadedAtOnce(path.join(folder, `${name}.js`)).size).toBe(1);
    expect(statSync(path.join(folder, `${name}.js`)).size).toBeLessThan(10_000);
  });

  test("--help is complete without the addon", () => {
    expect(run(name, "--help")).toMatchObject({
      status: 0,
      stderr: "",
      stdout: expect.stringContaining("Exit codes:"),
    });
  });

  test("tells bad arguments without the addon, in one line and a hint", () => {
    const { status, stdout, stderr } = run(name, "--nonsense");
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(new RegExp(`^${name}: unknown option '--nonsense'\nhint: .+\n$`));
  });

  test("can be run as it is, and has a source map", () => {
    const file = path.join(folder, `${name}.js`);
    expect(statSync(file).mode & 0o777).toBe(0o755);
    expect(readFileSync(file, "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
    expect(readdirSync(folder)).toContain(`${name}.js.map`);
  });
});

/** The files of the bundle, and the parts of Node.js, that are loaded before `command` runs its first line. */
function neededBy(command: string): { files: Set<string>; builtins: Set<string> } {
  const files = loadedAtOnce(path.join(folder, `chunks/wgmesh/${command}.js`));
  const found = [...files].flatMap((file) => [
    ...readFileSync(file, "utf8").matchAll(/^(?:import|\} from) .*?"(node:[^"]+)"/gm),
  ]);
  return { files, builtins: new Set(found.map(([, name = ""]) => name)) };
}

test("what is asked often loads three files, and neither the other verbs nor what only these need", () => {
  const often = neededBy("oftenCommand");
  const all = neededBy("wgmeshCommand");
  expect(often.files.size).toBeLessThanOrEqual(3);
  expect(all.files.size).toBeGreaterThan(10);
  for (const builtin of ["node:child_process", "node:zlib"]) {
    expect(all.builtins).toContain(builtin);
    expect(often.builtins).not.toContain(builtin);
  }
  expect(often.builtins).not.toContain("node:crypto");
});

// Both parsers must say the same, or a verb would change with the file it is loaded from.
test.each([
  [["status", "--help"]],
  [["peers"]],
  [["peers", "--help"]],
  [["peers", "list", "--help"]],
  [["peers", "lsit"]],
  [["status", "--wath"]],
  [["status", "--iface", "not a name"]],
  [["peers", "get"]],
])("wgmesh %j says the same as with all verbs loaded", async (args) => {
  const { code, out, err } = await wgmesh(args);
  expect(run("wgmesh", ...args)).toMatchObject({ status: code, stdout: out, stderr: err });
});
