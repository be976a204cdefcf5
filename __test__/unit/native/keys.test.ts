import { execFileSync, spawnSync } from "node:child_process";
import { createHash, hkdfSync } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { inspect } from "node:util";
import {
  generateKeyPair,
  MeshSecret,
  MessageProver,
  NodeIdentity,
  PresharedKey,
  PrivateKey,
} from "@wgmesh/native";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

const addon = new URL("../../../native/index.js", import.meta.url).pathname;

// Many processes are started here, each of which takes its time on a machine that is busy.
vi.setConfig({ testTimeout: 120_000 });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "wgmesh-test-keys-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const inFolder = (name: string): string => path.join(folder, name);

/** What the call throws. */
function thrown(call: () => unknown): NodeJS.ErrnoException {
  try {
    call();
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
  throw new Error("nothing was thrown");
}

function wg(command: string, input = ""): string {
  return execFileSync("wg", [command], { input, encoding: "utf8" }).trim();
}

describe("handles", () => {
  const secret = MeshSecret.fromText("0123456789abcdef");
  test.each([
    ["PrivateKey", PrivateKey.generate()],
    ["PresharedKey", PresharedKey.generate()],
    ["MeshSecret", secret],
    ["NodeIdentity", NodeIdentity.load("/nonesuch/state.json")],
    ["MessageProver", new MessageProver(NodeIdentity.load("/nonesuch/state.json"))],
  ])("%s says what it is and shows nothing of it", (name, handle) => {
    const redacted = `${name}([redacted])`;
    expect(`${handle}`).toBe(redacted);
    expect(JSON.stringify({ handle })).toBe(JSON.stringify({ handle: redacted }));
    expect(inspect({ handle }, { showHidden: true, getters: true, depth: 9 })).toContain(redacted);
    expect(Reflect.ownKeys(handle)).toEqual([]);
    expect(structuredClone(handle)).toEqual({});
  });

  test("are made by their static methods alone, which can be handed around", () => {
    for (const handle of [PrivateKey, PresharedKey]) {
      expect(thrown(() => Reflect.construct(handle, [])).code).toBe("EINVAL");
      const { generate } = handle;
      expect(generate()).toBeInstanceOf(handle);
    }
    PrivateKey.generate().save(inFolder("a"));
    PrivateKey.generate().save(inFolder("b"));
    const [a, b] = [inFolder("a"), inFolder("b")].map(PrivateKey.fromFile);
    expect(a?.publicKey).not.toBe(b?.publicKey);
  });

  test("are not taken for one another", () => {
    const getter = Object.getOwnPropertyDescriptor(PrivateKey.prototype, "publicKey")?.get;
    expect(thrown(() => getter?.call(PresharedKey.generate())).code).toBe("EINVAL");
    expect(
      thrown(() => PrivateKey.prototype.save.call(PresharedKey.generate() as never, inFolder("x"))).code,
    ).toBe("EINVAL");
    expect(existsSync(inFolder("x"))).toBe(false);
  });
});

describe("a private key", () => {
  test("saved here is read by wg, and the other way round", () => {
    const key = PrivateKey.generate();
    key.save(inFolder("key"));
    expect(statSync(inFolder("key")).mode & 0o7777).toBe(0o600);
    const text = readFileSync(inFolder("key"), "utf8");
    expect(text).toMatch(/^[A-Za-z0-9+/]{43}=\n$/);
    expect(wg("pubkey", text)).toBe(key.publicKey);

    const theirs = wg("genkey");
    writeFileSync(inFolder("theirs"), `${theirs}\n`, { mode: 0o600 });
    expect(PrivateKey.fromFile(inFolder("theirs")).publicKey).toBe(wg("pubkey", theirs));
    expect(PrivateKey.fromText(theirs).publicKey).toBe(wg("pubkey", theirs));
  });

  test("is new each time", () => {
    const keys = Array.from({ length: 100 }, () => PrivateKey.generate().publicKey);
    expect(new Set(keys).size).toBe(100);
  });

  test("is never written over, and its file's folder must be there", () => {
    const first = PrivateKey.generate();
    first.save(inFolder("key"));
    const again = thrown(() => PrivateKey.generate().save(inFolder("key")));
    expect(again.code).toBe("EEXIST");
    expect(again.message).toBe(
      `EEXIST: cannot write ${inFolder("key")}: it exists, and a key is never written over; move it away`,
    );
    expect(PrivateKey.fromFile(inFolder("key")).publicKey).toBe(first.publicKey);
    expect(thrown(() => first.save(inFolder("none/key"))).code).toBe("ENOENT");
  });

  test("comes over standard input, which stays open", () => {
    const program = `const { PrivateKey } = require(${JSON.stringify(addon)});
      console.log(PrivateKey.fromFd(0).publicKey);`;
    const key = wg("genkey");
    const { stdout } = spawnSync(process.execPath, ["-e", program], { input: `${key}\n`, encoding: "utf8" });
    expect(stdout.trim()).toBe(wg("pubkey", key));
    expect(thrown(() => PrivateKey.fromFd(-1)).code).toBe("EBADF");
  });

  test("in a file others can read is refused, with the remedy", () => {
    PrivateKey.generate().save(inFolder("key"));
    for (const mode of [0o640, 0o604, 0o620]) {
      chmodSync(inFolder("key"), mode);
      const error = thrown(() => PrivateKey.fromFile(inFolder("key")));
      expect(error.code).toBe("KEY_FILE");
      expect(error.message).toMatch(
        /^KEY_FILE: cannot read .*key: its mode 06\d\d lets others read or write it; chmod 600 it$/,
      );
    }
    expect(thrown(() => PrivateKey.fromFile(inFolder("none"))).code).toBe("ENOENT");
    expect(thrown(() => PrivateKey.fromFile(folder)).code).toBe("KEY_FILE");
  });

  test("that is none is refused, and no error shows what was given", () => {
    const nearly = wg("genkey").slice(0, 42);
    const zeros = Buffer.alloc(32).toString("base64");
    for (const text of [nearly, `${nearly}==`, zeros, `${nearly}A==`, "a secret that is no key"]) {
      writeFileSync(inFolder("bad"), text, { mode: 0o600 });
      const fd = openSync(inFolder("bad"), "r");
      for (const read of [
        () => PrivateKey.fromText(text),
        () => PrivateKey.fromFile(inFolder("bad")),
        () => PrivateKey.fromFd(fd),
        () => PresharedKey.fromText(text),
        () => PrivateKey.fromFd(text as unknown as number),
        () => PresharedKey.derive(text as unknown as MeshSecret),
        () => PrivateKey.fromText(Buffer.from(text) as unknown as string),
        () => PrivateKey.fromText([text] as unknown as string),
        () => PrivateKey.fromText({ text } as unknown as string),
      ]) {
        const error = thrown(read);
        expect(error.code).toBe("EINVAL");
        for (const shown of [inspect(error), error.stack, error.message]) {
          expect(shown).not.toContain(text);
          expect(shown).not.toContain([...Buffer.from(text)].slice(0, 8).join(","));
        }
      }
      rmSync(inFolder("bad"));
    }
  });
});

describe("a preshared key", () => {
  const secret = MeshSecret.fromText("0123456789abcdef");

  /** What a handle holds, which only its file tells. */
  function textOf(key: PresharedKey): string {
    const file = inFolder(createHash("sha256").update(`${Math.random()}`).digest("hex"));
    key.save(file);
    return readFileSync(file, "utf8").trim();
  }

  test("follows from a secret and a label as HKDF says", () => {
    const reference = (label: string): string =>
      Buffer.from(hkdfSync("sha256", "0123456789abcdef", "", label, 32)).toString("base64");
    expect(textOf(PresharedKey.derive(secret))).toBe(reference("wgmesh-wg-psk-v1"));
    for (const label of ["office to gateway", "ä", "x".repeat(255)]) {
      expect(textOf(PresharedKey.derive(secret, label))).toBe(reference(label));
    }
  });

  test("cannot be made from a label of the mesh's own keys", () => {
    for (const label of ["", "wgmesh-gossip-v1", "wgmesh-membership-v1", "x".repeat(256)]) {
      const error = thrown(() => PresharedKey.derive(secret, label));
      expect(error.code).toBe("EINVAL");
      expect(error.message).toContain("cannot derive a preshared key for ");
    }
  });

  test("is random, or what wg genpsk made", () => {
    expect(textOf(PresharedKey.generate())).not.toBe(textOf(PresharedKey.generate()));
    const theirs = wg("genpsk");
    writeFileSync(inFolder("psk"), `${theirs}\n`, { mode: 0o600 });
    expect(textOf(PresharedKey.fromFile(inFolder("psk")))).toBe(theirs);
    expect(textOf(PresharedKey.fromText(theirs))).toBe(theirs);
    chmodSync(inFolder("psk"), 0o644);
    expect(thrown(() => PresharedKey.fromFile(inFolder("psk"))).code).toBe("KEY_FILE");
  });
});

describe("keys for clients", () => {
  test("a key pair is what wg makes of its private key", () => {
    const { privateKey, publicKey } = generateKeyPair();
    expect(wg("pubkey", privateKey)).toBe(publicKey);
    expect(generateKeyPair().privateKey).not.toBe(privateKey);
  });

  test("the preshared key of a client follows from the private key and the client's public one", () => {
    const file = inFolder("state.json");
    const identity = NodeIdentity.load(file);
    identity.save("10.99.0.1", null);
    const text = readFileSync(file, "utf8");
    const gateway = /"wg_private_key"\s*:\s*"([^"]+)"/.exec(text)?.[1] ?? "";
    const client = generateKeyPair().publicKey;
    const info = Buffer.concat([Buffer.from("wgmesh client psk v1"), Buffer.from(client, "base64")]);
    const expected = hkdfSync("sha256", Buffer.from(gateway, "base64"), Buffer.alloc(0), info, 32);
    expect(identity.exportClientPresharedKey(client)).toBe(Buffer.from(expected).toString("base64"));
    expect(`${identity.clientPresharedKey(client)}`).toBe("PresharedKey([redacted])");
    expect(() => identity.clientPresharedKey("x")).toThrow("EINVAL");
    expect(() => identity.exportClientPresharedKey("x")).toThrow("EINVAL");
  });
});
