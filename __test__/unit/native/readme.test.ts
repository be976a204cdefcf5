/**
 * Every example of native/README.md is run as it stands, in a network namespace of its own, and prints what the README says it
 * does; `…` there stands for anything within the line.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { root } from "../layout/repository.ts";

interface Example {
  /** The heading it stands below, and which it is of those there. */
  readonly name: string;
  readonly code: string;
  readonly output: string;
}

/** Examples are the fences of `js`, each followed by one of `text` when it prints something. */
function examplesOf(markdown: string): Example[] {
  const parts = markdown.matchAll(
    /^#+ (?<heading>.+)$|^```js\n(?<code>[\s\S]*?)^```\n(?:\n```text\n(?<output>[\s\S]*?)^```$)?/gm,
  );
  const found: Example[] = [];
  let heading = "";
  let count = 0;
  for (const { groups } of parts) {
    if (groups?.heading !== undefined) [heading, count] = [groups.heading, 0];
    else {
      count += 1;
      found.push({ name: `${heading}, ${count}`, code: groups?.code ?? "", output: groups?.output ?? "" });
    }
  }
  return found;
}

/** What is printed must match whole. */
function pattern(output: string): RegExp {
  const escaped = output.split("…").map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${escaped.join(".*")}$`);
}

const readme = readFileSync(path.join(root, "native/README.md"), "utf8");
const examples = examplesOf(readme);

// Many processes are started here, each of which takes its time on a machine that is busy.
vi.setConfig({ testTimeout: 120_000 });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "wgmesh-test-readme-"));
  mkdirSync(path.join(folder, "node_modules/@wgmesh"), { recursive: true });
  symlinkSync(path.join(root, "native"), path.join(folder, "node_modules/@wgmesh/native"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** In namespaces of its own, /run included, so that UAPI sockets are nobody else's. */
function run(file: string): ReturnType<typeof spawnSync> {
  const flags = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const ownRun = 'mount -t tmpfs tmpfs /run && exec "$@"';
  const command = ["--net", "--mount", ...flags, "timeout", "60", "sh", "-c", ownRun, "sh", process.execPath];
  const { NOTIFY_SOCKET: _, ...env } = process.env;
  return spawnSync("unshare", [...command, file], { cwd: folder, encoding: "utf8", env });
}

test("there is an example for each area", () => {
  const areas = ["Keys", "Derivation", "A node's identity", "Links", "Addresses", "Routes"];
  const more = ["Changes of the network", "The DHT", "WireGuard devices", "Beside WireGuard"];
  const last = ["Questions through the tunnel", "The system"];
  const named = new Set(examples.map(({ name }) => name.replace(/, \d+$/, "")));
  expect([...named]).toEqual([...areas, ...more, ...last]);
  expect(examples).toHaveLength(readme.match(/^```js$/gm)?.length ?? 0);
  expect("10.0.0.1 x\n").toMatch(pattern("10.… x\n"));
  expect("10.0.0.1\nx\n").not.toMatch(pattern("10.…\n"));
});

test.each(examples.map((example) => [example.name, example] as const))("%s", (_name, { code, output }) => {
  const file = path.join(folder, "example.mjs");
  writeFileSync(file, code);
  const { status, stdout, stderr } = run(file);
  expect(stderr).toBe("");
  expect(stdout).toMatch(pattern(output));
  expect(status).toBe(0);
});
