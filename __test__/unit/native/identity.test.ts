import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { generateSecretUri, MeshSecret, NodeIdentity } from "@wgmesh/native";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const TEXT = "0123456789abcdef";
const NETWORK_ID = "9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc";
const addon = new URL("../../../native/index.js", import.meta.url).pathname;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wgmesh-test-identity-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The `code` of what the call throws. */
function codeOf(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
  return "nothing was thrown";
}

describe("MeshSecret", () => {
  test("shows nothing of what it holds", () => {
    const secret = MeshSecret.fromText(TEXT);
    for (const shown of [
      String(secret),
      JSON.stringify(secret),
      inspect(secret, { showHidden: true, depth: 9 }),
    ]) {
      expect(shown).not.toContain(TEXT);
    }
    expect(Reflect.ownKeys(secret)).toEqual([]);
  });

  test("errors have a code and name no secret", () => {
    expect(codeOf(() => MeshSecret.fromText("hunter2"))).toBe("SECRET_SHORT");
    expect(codeOf(() => MeshSecret.fromText("wgmesh://v1/"))).toBe("SECRET_URI");
    expect(() => MeshSecret.fromText("hunter2")).toThrow(/^((?!hunter2).)*$/s);
    const secret = MeshSecret.fromText(TEXT);
    expect(codeOf(() => secret.meshIpv4("not a key", 0))).toBe("EINVAL");
    expect(codeOf(() => secret.seal(Buffer.alloc(11), Buffer.alloc(0)))).toBe("EINVAL");
    expect(codeOf(() => MeshSecret.fromText(5 as unknown as string))).toBe("EINVAL");
    expect(codeOf(() => Reflect.construct(MeshSecret, []))).toBe("EINVAL");
  });

  test("a generated secret is strong, new each time, and what --allow-weak-secret is for is not", () => {
    const [one, two] = [generateSecretUri(), generateSecretUri()];
    expect(one).toMatch(/^wgmesh:\/\/v1\/[A-Za-z0-9_-]{171}$/);
    expect(one).not.toBe(two);
    expect(MeshSecret.fromText(one).strengthBits()).toBeGreaterThanOrEqual(256);
    expect(MeshSecret.fromText(TEXT).strengthBits()).toBeLessThan(80);
  });

  test("a file only its owner can reach is read, another is refused", () => {
    const path = join(folder, "secret");
    writeFileSync(path, `  wgmesh://v1/${TEXT}?comment\n`, { mode: 0o600 });
    expect(MeshSecret.fromFile(path).parameters().networkId).toBe(NETWORK_ID);
    chmodSync(path, 0o640);
    expect(codeOf(() => MeshSecret.fromFile(path))).toBe("SECRET_FILE");
    expect(codeOf(() => MeshSecret.fromFile(`${path}-missing`))).toBe("ENOENT");
    expect(codeOf(() => MeshSecret.fromFile(folder))).toBe("SECRET_FILE");
  });

  test("a systemd credential may be readable by its group", () => {
    const path = join(folder, "secret");
    writeFileSync(path, TEXT, { mode: 0o600 });
    chmodSync(path, 0o440);
    const program = `console.log(require(${JSON.stringify(addon)}).MeshSecret.fromFile(${JSON.stringify(path)}).infohash(0))`;
    const read = (environment: NodeJS.ProcessEnv): string =>
      spawnSync(process.execPath, ["-e", program], { env: environment, encoding: "utf8" }).stdout;
    expect(read({ CREDENTIALS_DIRECTORY: folder })).toBe("4a0e5c9c1333c9a19eb5985827d198d27354387b\n");
    expect(read({})).toBe("");
    expect(read({ CREDENTIALS_DIRECTORY: join(folder, "..", "elsewhere") })).toBe("");
  });

  test("standard input is read to its end", () => {
    const program = `console.log(require(${JSON.stringify(addon)}).MeshSecret.fromFd(0).parameters().networkId)`;
    const result = spawnSync(process.execPath, ["-e", program], { input: `${TEXT}\n`, encoding: "utf8" });
    expect(result.stdout).toBe(`${NETWORK_ID}\n`);
  });
});

describe("the prompt", () => {
  /** Runs a shell command on a terminal of its own, types `keys` when the question is there, and gives all that was shown. */
  async function onTerminal(command: string, keys: string): Promise<string> {
    const child = spawn("script", ["-qec", command, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
    let shown = "";
    let typed = false;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      shown += text;
      if (!typed && shown.includes("Secret? ")) {
        typed = true;
        child.stdin.write(keys);
      }
    });
    await once(child, "close");
    return shown;
  }

  const ask = `${process.execPath} -e '
    const { MeshSecret } = require("${addon}");
    try { console.log(MeshSecret.fromPrompt("Secret? ").parameters().networkId); } catch (error) { console.log(error.code); }'`;

  test("hides what is typed and turns the echo on again", async () => {
    const shown = await onTerminal(`${ask}; stty -a`, `${TEXT}\r`);
    expect(shown).toContain(`Secret? \r\n${NETWORK_ID}`);
    expect(shown).not.toContain(TEXT);
    expect(shown).toMatch(/ echo /);
  });

  test("turns the echo on again when a signal ends it", async () => {
    const shown = await onTerminal(`${ask}; stty -a`, "half of it\u0003");
    expect(shown).not.toContain("half");
    const interrupted = await onTerminal(
      `timeout --foreground -s TERM 2 ${ask}; echo status $?; stty -a`,
      "x",
    );
    expect(interrupted).toContain("status 124");
    expect(interrupted).toMatch(/ echo /);
  });

  test("needs a terminal", () => {
    const result = spawnSync("setsid", ["sh", "-c", ask], { encoding: "utf8" });
    expect(result.stdout).toBe("ENXIO\n");
  });
});

describe("NodeIdentity", () => {
  test("is made in memory, saved on demand, and the same afterwards", () => {
    const path = join(folder, "wg0.json");
    const made = NodeIdentity.load(path);
    expect([made.created, made.meshIp, made.meshIpv6]).toEqual([true, null, null]);
    expect(readdirSync(folder)).toEqual([]);
    made.save("10.8.1.2", "fd00::1");
    const { ino } = statSync(path);
    made.save("10.8.1.2", "fd00::1");
    expect(statSync(path)).toMatchObject({ ino, mode: 0o100600 });

    const read = NodeIdentity.load(path);
    expect([read.created, read.publicKey]).toEqual([false, made.publicKey]);
    expect([read.meshIp, read.meshIpv6]).toEqual(["10.8.1.2", "fd00::1"]);
    const text = readFileSync(path, "utf8");
    expect(Object.keys(JSON.parse(text))).toEqual(["wg_pubkey", "wg_private_key", "mesh_ip", "mesh_ipv6"]);
    expect(inspect(read, { showHidden: true })).not.toContain(JSON.parse(text).wg_private_key);
  });

  test("errors name the file and the remedy, and change nothing", () => {
    const path = join(folder, "wg0.json");
    NodeIdentity.load(path).save("10.8.1.2", null);
    const good = readFileSync(path, "utf8");
    writeFileSync(path, good.slice(0, 40));
    expect(() => NodeIdentity.load(path)).toThrow(
      new RegExp(`^STATE_DAMAGED: cannot read ${path}: .*; restore it`),
    );
    expect(readFileSync(path, "utf8")).toBe(good.slice(0, 40));
    chmodSync(path, 0o644);
    expect(codeOf(() => NodeIdentity.load(path))).toBe("STATE_PERMISSIONS");
    expect(codeOf(() => NodeIdentity.load(join(path, "below")))).toBe("STATE_UNREADABLE");
    expect(codeOf(() => NodeIdentity.load(join(folder, "no", "wg0.json")).save("10.8.1.2", null))).toBe(
      "STATE_WRITE",
    );
  });

  test("survives kill -9 at any instant of a save", { timeout: 60_000 }, async () => {
    const path = join(folder, "wg0.json");
    const first = NodeIdentity.load(path);
    first.save("10.8.0.1", null);
    const program = `
      const identity = require(${JSON.stringify(addon)}).NodeIdentity.load(${JSON.stringify(path)});
      process.stdout.write("saving");
      for (let n = 0; ; n++) identity.save("10.8." + (n >> 8 & 255) + "." + (n & 255), null);`;
    for (let round = 0; round < 10; round++) {
      const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
      await once(child.stdout, "data");
      await sleep(round * 3);
      child.kill("SIGKILL");
      await once(child, "exit");
      const after = NodeIdentity.load(path);
      expect([after.created, after.publicKey]).toEqual([false, first.publicKey]);
    }
    NodeIdentity.load(path).save("10.9.9.9", null);
    expect(readdirSync(folder)).toEqual(["wg0.json"]);
  });
});
