import { execFileSync } from "node:child_process";
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { readSteeringFile, writeFileAtomic } from "../../../src/core/files.ts";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wgmesh-files-"));
  path = join(folder, "wg0.json");
});

afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

describe("writeFileAtomic", () => {
  test("makes and replaces a file with just the mode asked for, whatever the umask", async () => {
    const umask = process.umask(0o777);
    try {
      await writeFileAtomic(path, "old", 0o600);
      await writeFileAtomic(path, Buffer.from("new"), 0o640);
    } finally {
      process.umask(umask);
    }
    expect(await readFile(path, "utf8")).toBe("new");
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    expect(await readdir(folder)).toEqual(["wg0.json"]);
  });

  test("replaces the file instead of writing into it", async () => {
    await writeFile(path, "old");
    const before = await stat(path);
    await writeFileAtomic(path, "new", 0o600);
    expect((await stat(path)).ino).not.toBe(before.ino);
  });

  test("leaves no temporary file when it fails, and names the file", async () => {
    await mkdir(path);
    const failure = writeFileAtomic(path, "new", 0o600);
    await expect(failure).rejects.toMatchObject({
      code: "ERR_STATE_WRITE",
      message: expect.stringContaining(path),
    });
    expect(await readdir(folder)).toEqual(["wg0.json"]);
  });

  test("does not touch a file that happens to have the temporary name", async () => {
    const random = { bytes: (count: number) => Buffer.alloc(count, 0xab), unit: () => 0 };
    const taken = join(folder, ".wg0.json.abababababab.tmp");
    await writeFile(taken, "another's");
    await expect(writeFileAtomic(path, "new", 0o600, random)).rejects.toMatchObject({
      code: "ERR_STATE_WRITE",
    });
    expect(await readFile(taken, "utf8")).toBe("another's");
  });
});

describe("readSteeringFile", () => {
  test("reads what only its owner can write, and gives null when there is none", async () => {
    expect(await readSteeringFile(path)).toBeNull();
    await writeFile(path, "log-level=debug\n", { mode: 0o644 });
    expect(await readSteeringFile(path)).toBe("log-level=debug\n");
    await symlink(path, join(folder, "link"));
    expect(await readSteeringFile(join(folder, "link"))).toBe("log-level=debug\n");
  });

  test.each([0o620, 0o602, 0o666])("refuses mode %o", async (mode) => {
    await writeFile(path, "");
    await chmod(path, mode);
    await expect(readSteeringFile(path)).rejects.toMatchObject({ code: "ERR_STATE_PERMISSIONS" });
  });

  test("refuses a file of another user", async () => {
    await writeFile(path, "", { mode: 0o600 });
    const ownUid = process.geteuid?.() ?? 0;
    if (ownUid === 0) await chown(path, 65534, 65534);
    else vi.spyOn(process, "geteuid").mockReturnValue(ownUid + 1);
    await expect(readSteeringFile(path)).rejects.toMatchObject({ code: "ERR_STATE_PERMISSIONS" });
  });

  test("takes a file of root's, whoever asks", async () => {
    vi.spyOn(process, "geteuid").mockReturnValue(54_321);
    expect(await readSteeringFile("/etc/passwd")).toContain("root");
  });

  test("refuses a folder, a FIFO without waiting for a writer, and what is too large", async () => {
    await mkdir(path);
    await expect(readSteeringFile(path)).rejects.toMatchObject({ code: "ERR_STATE_UNREADABLE" });
    const fifo = join(folder, "fifo");
    execFileSync("mkfifo", [fifo]);
    await expect(readSteeringFile(fifo)).rejects.toMatchObject({ code: "ERR_STATE_UNREADABLE" });
    const large = join(folder, "large");
    await writeFile(large, Buffer.alloc(1024 * 1024 + 1));
    await expect(readSteeringFile(large)).rejects.toMatchObject({ code: "ERR_STATE_UNREADABLE" });
  });

  test("tells a folder that is a file from a missing file", async () => {
    await writeFile(path, "");
    await expect(readSteeringFile(join(path, "x"))).rejects.toMatchObject({ code: "ERR_STATE_UNREADABLE" });
  });
});
