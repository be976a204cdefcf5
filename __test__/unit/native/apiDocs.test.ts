/** The API pages: typedoc makes them from the types, with every warning an error; `npm run docs:api` does the same. */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { root } from "../layout/repository.ts";

const require = createRequire(import.meta.url);

let folder: string;
beforeEach(() => {
  // Inside the project: typedoc leaves out what is not below the folder it runs in.
  mkdirSync(path.join(root, "dist"), { recursive: true });
  folder = mkdtempSync(path.join(root, "dist/test-docs-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function typedoc(...args: string[]): { status: number | null; said: string } {
  const cli = path.join(root, "node_modules/typedoc/bin/typedoc");
  const { status, stdout, stderr } = spawnSync("node", [cli, ...args], { cwd: root, encoding: "utf8" });
  return { status, said: `${stdout}${stderr}` };
}

test("every export has its page, and every member its words", () => {
  const out = path.join(folder, "pages");
  const { status, said } = typedoc("--out", out);
  expect(said).not.toMatch(/warning|error/i);
  expect(status).toBe(0);
  const exported = Object.entries(require("@wgmesh/native") as Record<string, unknown>);
  expect(exported.length).toBeGreaterThan(25);
  for (const [name, value] of exported) {
    const isClass = typeof value === "function" && /^[A-Z]/.test(name);
    const kind = isClass ? "classes" : typeof value === "function" ? "functions" : "variables";
    expect(existsSync(path.join(out, kind, `${name}.html`)), `${kind}/${name}`).toBe(true);
  }
  expect(readdirSync(path.join(out, "interfaces"))).toContain("PeerChange.html");
  expect(readFileSync(path.join(out, "index.html"), "utf8")).toContain("WireGuard devices");
}, 120_000);

test("a member without words, or a link to nowhere, is an error", () => {
  writeFileSync(
    path.join(folder, "bare.d.ts"),
    "/** Described, see {@link nowhere}. */\nexport interface Bare {\n  undescribed: number;\n}\n",
  );
  const compilerOptions = { target: "es2023", lib: ["es2023"], types: [], noEmit: true };
  writeFileSync(
    path.join(folder, "tsconfig.json"),
    JSON.stringify({ compilerOptions, files: ["bare.d.ts"] }),
  );
  const options = {
    extends: ["../../typedoc.json"],
    entryPoints: ["bare.d.ts"],
    tsconfig: "tsconfig.json",
    readme: "none",
    out: "pages",
  };
  writeFileSync(path.join(folder, "typedoc.json"), JSON.stringify(options));
  const { status, said } = typedoc("--options", path.join(folder, "typedoc.json"));
  expect(said).toMatch(/Bare\.undescribed.*does not have any documentation/);
  expect(said).toMatch(/Failed to resolve link to "nowhere"/);
  expect(status).not.toBe(0);
}, 120_000);
