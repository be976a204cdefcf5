/** No key gets into the heap of a process that uses the package with files; with texts it does, as the documentation warns. */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const addon = new URL("../../../native/index.js", import.meta.url).pathname;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "wgmesh-test-heap-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const secrets = {
  secret: randomBytes(48).toString("base64url"),
  key: randomBytes(32).toString("base64"),
  psk: randomBytes(32).toString("base64"),
};

/** The heap snapshot of a process that ran `program`, which kept what it made, and what it printed. */
function heapAfter(program: string): { heap: string; printed: string } {
  for (const [name, text] of Object.entries(secrets)) {
    writeFileSync(path.join(folder, name), `${text}\n`, { mode: 0o600 });
  }
  const whole = `
    const native = require(${JSON.stringify(addon)});
    globalThis.kept = [];
    const keep = (value) => { kept.push(value); return value; };
    ${program}
    require("node:v8").writeHeapSnapshot("heap");`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ["-e", whole], {
    cwd: folder,
    encoding: "utf8",
  });
  expect([stderr, status]).toEqual(["", 0]);
  return { heap: readFileSync(path.join(folder, "heap"), "utf8"), printed: stdout };
}

/** The names of the secrets that stand in the text, in any form. */
function found(text: string): string[] {
  const forms = (name: string, value: string): string[] =>
    name === "secret" ? [value] : [value, Buffer.from(value, "base64").toString("hex")];
  return Object.entries(secrets).flatMap(([name, value]) =>
    forms(name, value).some((form) => text.includes(form)) ? [name] : [],
  );
}

test("keys and secrets that are read from files stay out of it, whatever is done with them", {
  timeout: 120_000,
}, () => {
  const { heap, printed } = heapAfter(`
    const secret = keep(native.MeshSecret.fromFile("secret"));
    const key = keep(native.PrivateKey.fromFile("key"));
    const psk = keep(native.PresharedKey.fromFile("psk"));
    keep(native.PresharedKey.derive(secret));
    keep([secret.parameters(), secret.infohash(1), secret.meshIpv4(key.publicKey, 0), String(key), JSON.stringify([psk])]);
    key.save("copy");
    for (const call of [() => native.PrivateKey.fromFile("secret"), () => native.MeshSecret.fromFile("none"), () => key.save("copy")])
      try { call(); } catch (error) { keep(error); }
    console.log(keep(key.publicKey));`);
  expect(heap, "what is not secret is found").toContain(printed.trim());
  expect(found(heap)).toEqual([]);
});

test("texts are found there: the search works, and the warning is true", { timeout: 120_000 }, () => {
  const { heap } = heapAfter(`
    const { readFileSync } = require("node:fs");
    for (const [name, kind] of [["secret", native.MeshSecret], ["key", native.PrivateKey], ["psk", native.PresharedKey]])
      keep([kind.fromText(keep(readFileSync(name, "utf8"))), name]);`);
  expect(found(heap)).toEqual(["secret", "key", "psk"]);
});
