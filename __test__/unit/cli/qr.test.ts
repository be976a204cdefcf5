/** A phone is not at hand; zbarimg reads the pictures. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { generateSecretUri } from "../../../src/identity/meshSecret.ts";
import { onTerminal } from "../support/onTerminal.ts";
import { decodedPicture, drawnModules, writePicture } from "../support/qrPicture.ts";

const program = path.resolve("dist/wgmesh.js");

let folder: string;
let uri: string;
let secretFile: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "wgmesh-qr-"));
  uri = generateSecretUri();
  secretFile = path.join(folder, "secret");
  writeFileSync(secretFile, `${uri}\n`, { mode: 0o600 });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function qr(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const env = { ...process.env, WGMESH_SECRET_FILE: "", NO_COLOR: "" };
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, "qr", ...args], {
    encoding: "utf8",
    env,
  });
  return { code: status, stdout, stderr };
}

const decoded = (file: string): string => decodedPicture(file).trim();

function picture(modules: readonly (readonly boolean[])[]): string {
  const file = path.join(folder, "picture.pgm");
  writePicture(file, modules);
  return file;
}

test("on a terminal: black on white, decoded to the very secret", async () => {
  const env = { ...process.env, NO_COLOR: "" };
  const { code, shown } = await onTerminal([process.execPath, program, "qr", "--secret-file", secretFile], {
    env,
  });
  expect(code).toBe(0);
  const lines = shown.trimEnd().split("\n");
  const [before, after] = ["\x1b[38;5;16;48;5;231m", "\x1b[0m"];
  expect(lines.filter((line) => !line.startsWith(before) || !line.endsWith(after))).toEqual([]);
  const texts = lines.map((line) => line.slice(before.length, -after.length));
  expect(texts.join("")).toMatch(/^[ █▀▄]+$/);
  expect(texts[0]?.length).toBeLessThan(80);
  expect(decoded(picture(drawnModules(texts, true)))).toBe(uri);
  expect(shown).not.toContain(uri);
});

test("with $NO_COLOR: light blocks for a dark background", async () => {
  const { shown } = await onTerminal([process.execPath, program, "qr", "--secret-file", secretFile], {
    env: { ...process.env, NO_COLOR: "1" },
  });
  expect(shown).toMatch(/^[ █▀▄\n]+$/);
  expect(decoded(picture(drawnModules(shown.trimEnd().split("\n"), false)))).toBe(uri);
});

test("a PNG of mode 0600, which is not written over", () => {
  const file = path.join(folder, "code.png");
  expect(qr("--secret-file", secretFile, "--output", file)).toMatchObject({ code: 0, stderr: "" });
  expect(decoded(file)).toBe(uri);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const before = readFileSync(file);
  const again = qr("--secret-file", secretFile, "-o", file);
  expect([again.code, again.stderr]).toEqual([2, expect.stringContaining(`cannot make ${file}`)]);
  expect(readFileSync(file)).toEqual(before);
});

test("an SVG", () => {
  const file = path.join(folder, "code.svg");
  expect(qr("--secret-file", secretFile, "-o", file).code).toBe(0);
  const svg = readFileSync(file, "utf8");
  const side = Number(/viewBox="0 0 (\d+) \1"/.exec(svg)?.[1]);
  const modules = Array.from({ length: side }, () => Array<boolean>(side).fill(false));
  for (const [, x, y] of svg.matchAll(/M(\d+) (\d+)h1v1h-1z/g))
    (modules[Number(y)] as boolean[])[Number(x)] = true;
  expect(decoded(picture(modules))).toBe(uri);
});

test("where standard output is no terminal only when forced", () => {
  const refused = qr("--secret-file", secretFile);
  expect([refused.code, refused.stdout]).toEqual([2, ""]);
  expect(refused.stderr).toContain("--force");
  const forced = qr("--secret-file", secretFile, "--force");
  expect(forced.code).toBe(0);
  expect(forced.stdout).toContain("█");
});

test("a secret that no URI stands for, or too long for a picture, is refused, and no file stays", () => {
  const file = path.join(folder, "code.png");
  const cases: [secret: string, said: string][] = [
    ["what/is?it/0123456789", "question mark"],
    ["x".repeat(3_000), "too long"],
  ];
  for (const [secret, said] of cases) {
    writeFileSync(secretFile, secret);
    const { code, stderr } = qr("--secret-file", secretFile, "-o", file);
    expect([code, stderr]).toEqual([3, expect.stringContaining(said)]);
    expect(stderr).not.toContain(secret);
    expect(() => statSync(file)).toThrow();
  }
  expect(qr("--secret-file", secretFile, "-o", path.join(folder, "code.gif")).code).toBe(2);
});
