import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RotatingFile, type RotatingFileOptions } from "../../../src/observe/rotatingFile.ts";

let folder: string;
let path: string;
let troubles: (string | null)[];
let opened: RotatingFile[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wgmesh-rotate-"));
  path = join(folder, "node.log");
  troubles = [];
  opened = [];
});

afterEach(() => {
  for (const file of opened) file.close();
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true });
});

function openFile(change: Partial<RotatingFileOptions> = {}): RotatingFile {
  const file = new RotatingFile({
    path,
    maxBytes: 100,
    keep: 3,
    onTrouble: (reason) => troubles.push(reason),
    ...change,
  });
  opened.push(file);
  return file;
}

const read = (name: string): string => readFileSync(join(folder, name), "utf8");
/** Line `index`, 20 bytes long. */
const line = (index: number): string => `${`line ${index}`.padEnd(19)}\n`;
const numbersIn = (name: string): number[] =>
  read(name)
    .trimEnd()
    .split("\n")
    .map((text) => Number(text.slice(5)));

describe("rotation", () => {
  test("keeps files under the size, the newest of the old ones as .1, and as many as asked", () => {
    const file = openFile();
    for (let index = 0; index < 23; index += 1) file.write(line(index));
    expect(readdirSync(folder).sort()).toEqual(["node.log", "node.log.1", "node.log.2", "node.log.3"]);
    expect(["node.log.3", "node.log.2", "node.log.1", "node.log"].map(numbersIn)).toEqual([
      [5, 6, 7, 8, 9],
      [10, 11, 12, 13, 14],
      [15, 16, 17, 18, 19],
      [20, 21, 22],
    ]);
    expect(troubles).toEqual([]);
  });

  test("goes by new limits from the next line on", () => {
    const file = openFile();
    for (let index = 0; index < 4; index += 1) file.write(line(index));
    file.setLimits(40, 1);
    for (let index = 4; index < 9; index += 1) file.write(line(index));
    expect(readdirSync(folder).sort()).toEqual(["node.log", "node.log.1"]);
    expect([numbersIn("node.log.1"), numbersIn("node.log")]).toEqual([[6, 7], [8]]);
  });

  test("never cuts a line: one longer than the size has a file of its own", () => {
    const file = openFile();
    const long = `${"x".repeat(300)}\n`;
    file.write(line(0));
    file.write(long);
    file.write(line(1));
    expect([read("node.log.2"), read("node.log.1"), read("node.log")]).toEqual([line(0), long, line(1)]);
  });

  test("keeps nothing of the past when none is to be kept", () => {
    const file = openFile({ keep: 0 });
    for (let index = 0; index < 7; index += 1) file.write(line(index));
    expect(readdirSync(folder)).toEqual(["node.log"]);
    expect(numbersIn("node.log")).toEqual([5, 6]);
  });

  test("goes on from the size a file has already", () => {
    openFile().write(line(0).repeat(4));
    const file = openFile();
    file.write(line(1));
    file.write(line(2));
    expect(numbersIn("node.log")).toEqual([2]);
    expect(numbersIn("node.log.1")).toEqual([0, 0, 0, 0, 1]);
  });

  test("a kill in the middle of one is mended by the next", () => {
    const file = openFile();
    // Killed after the next file was opened: it is still there.
    openFile({ path: `${path}.next` }).write("half a rotation\n");
    for (let index = 0; index < 6; index += 1) file.write(line(index));
    expect(readdirSync(folder).sort()).toEqual(["node.log", "node.log.1"]);
    expect(numbersIn("node.log")).toEqual([5]);
  });

  test("that cannot be done loses no line: the file grows, and the trouble is told once", () => {
    const file = openFile({ keep: 1 });
    // A folder in the way of the name cannot be replaced by a file.
    mkdirSync(join(folder, "node.log.1", "in-the-way"), { recursive: true });
    for (let index = 0; index < 12; index += 1) file.write(line(index));
    expect(numbersIn("node.log")).toEqual([...Array(12).keys()]);
    expect(troubles).toEqual([expect.stringContaining(`cannot rotate ${path}: EISDIR`)]);
    rmSync(join(folder, "node.log.1"), { recursive: true });
    for (let index = 12; index < 16; index += 1) file.write(line(index));
    expect([...numbersIn("node.log.1"), ...numbersIn("node.log")]).toEqual([...Array(16).keys()]);
    expect(troubles.slice(1)).toEqual([null]);
  });
});

describe("the file", () => {
  test("is its owner's alone, whatever the umask", () => {
    const before = process.umask(0);
    try {
      openFile().write(line(0));
    } finally {
      process.umask(before);
    }
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("is opened anew for a log rotation from outside", () => {
    const file = openFile();
    file.write(line(0));
    renameSync(path, join(folder, "moved"));
    file.write(line(1));
    file.reopen();
    file.write(line(2));
    expect([numbersIn("moved"), numbersIn("node.log")]).toEqual([[0, 1], [2]]);
  });

  test("that cannot be opened anew goes on as it was", () => {
    const file = openFile();
    renameSync(path, join(folder, "moved"));
    mkdirSync(path);
    file.reopen();
    file.write(line(0));
    expect(numbersIn("moved")).toEqual([0]);
    expect(troubles[0]).toContain(`cannot open ${path}`);
  });

  test.each([
    ["in a folder that does not exist", () => join(folder, "none", "node.log"), "ENOENT"],
    ["that is a folder", () => folder, "EISDIR"],
    ["that is a device", () => "/dev/null", "not a regular file"],
  ])("%s is refused with its name", (_case, name, reason) => {
    expect(() => openFile({ path: name() })).toThrow(
      expect.objectContaining({ code: "ERR_LOG_FILE", message: expect.stringContaining(reason) }),
    );
  });

  test("that is a link to another file is refused", () => {
    symlinkSync(join(folder, "elsewhere"), path);
    expect(() => openFile()).toThrow(expect.objectContaining({ code: "ERR_LOG_FILE" }));
    expect(existsSync(join(folder, "elsewhere"))).toBe(false);
  });

  test("takes nothing more once closed", () => {
    const file = openFile();
    file.write(line(0));
    file.close();
    file.close();
    file.write(line(1));
    file.reopen();
    expect(numbersIn("node.log")).toEqual([0]);
  });
});

describe("a full disk", () => {
  let disk: string;

  beforeEach(() => {
    disk = join(folder, "disk");
    mkdirSync(disk);
    run("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]);
  });

  afterEach(() => {
    for (const file of opened) file.close();
    run("umount", [disk]);
  });

  test("costs no line: they wait, in order, and are written whole once there is room", () => {
    const full = join(disk, "node.log");
    const ballast = openFile({ path: join(disk, "ballast"), maxBytes: 1e9 });
    const file = openFile({ path: full, maxBytes: 1e9 });
    ballast.write("b".repeat(56 * 1024));
    const lines = Array.from({ length: 1000 }, (_, index) => line(index));
    for (const text of lines) file.write(text);
    expect(troubles).toEqual([expect.stringContaining(`cannot write ${full}: ENOSPC`)]);
    expect(readFileSync(full).length).toBeLessThan(1000 * 20);
    ballast.close();
    rmSync(join(disk, "ballast"));
    file.write(line(1000));
    expect(readFileSync(full, "utf8")).toBe([...lines, line(1000)].join(""));
    expect(troubles.slice(1)).toEqual([null]);
    expect(file.lost).toBe(0);
  });

  test("costs no line also where no other line follows", () => {
    const full = join(disk, "node.audit");
    const ballast = join(disk, "ballast");
    writeFileSync(ballast, Buffer.alloc(56 * 1024));
    const file = openFile({ path: full, maxBytes: 1e9 });
    const lines = Array.from({ length: 1000 }, (_, index) => line(index));
    for (const text of lines) file.write(text);
    file.retry();
    expect(readFileSync(full).length).toBeLessThan(1000 * 20);
    rmSync(ballast);
    file.retry();
    expect(readFileSync(full, "utf8")).toBe(lines.join(""));
    expect([troubles.length, troubles.at(-1)]).toEqual([2, null]);
    file.close();
    file.retry();
  });

  test("costs whole lines beyond what may wait, and they are counted", () => {
    const file = openFile({ path: join(disk, "node.log"), maxBytes: 1e9 });
    const long = `${"y".repeat(1023)}\n`;
    for (let index = 0; index < 1200; index += 1) file.write(long);
    const written = readFileSync(join(disk, "node.log")).length;
    // 1 MiB waits, the disk holds `written` bytes, the rest is lost.
    expect(file.lost).toBe(Math.floor((1200 * 1024 - written) / 1024) - 1024);
    expect(file.lost).toBeGreaterThan(100);
  });
});

function run(command: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
}
