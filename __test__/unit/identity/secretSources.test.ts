import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { MeshSecret } from "@wgmesh/native";
import { describe, expect, onTestFinished, test } from "vitest";
import { findSecret, type SecretReader, type SecretRequest } from "../../../src/identity/secretSources.ts";

/** A reader that notes which way in was taken; the handle it gives says only its strength. */
function fakeReader(bits = 128): { reader: SecretReader; taken: string[] } {
  const taken: string[] = [];
  const take = (way: string) => (what: unknown) => {
    taken.push(`${way} ${String(what)}`);
    return { strengthBits: () => bits } as MeshSecret;
  };
  const reader: SecretReader = {
    fromText: take("text"),
    fromFile: take("file"),
    fromFd: take("fd"),
    fromPrompt: take("prompt"),
  };
  return { reader, taken };
}

const nothing: SecretRequest = { secret: null, secretFile: null, allowWeakSecret: false };

interface Given {
  readonly request?: Partial<SecretRequest>;
  readonly env?: Record<string, string | undefined>;
  readonly stdinIsTerminal?: boolean;
}

function find({ request = {}, env = {}, stdinIsTerminal = false }: Given) {
  const { reader, taken } = fakeReader();
  const { warnings } = findSecret({ ...nothing, ...request }, { reader, env, stdinIsTerminal });
  return { taken, warnings };
}

const bothVariables = { WGMESH_SECRET: "from the environment", WGMESH_SECRET_FILE: "/file/of/variable" };

describe("the first source that is there counts", () => {
  const cases: [what: string, given: Given, taken: string][] = [
    [
      "--secret",
      { request: { secret: "s", secretFile: "/f" }, env: bothVariables, stdinIsTerminal: true },
      "text s",
    ],
    [
      "--secret-file",
      { request: { secretFile: "/f" }, env: bothVariables, stdinIsTerminal: true },
      "file /f",
    ],
    ["standard input", { request: { secretFile: "-" }, env: bothVariables }, "fd 0"],
    [
      "a terminal as standard input",
      { request: { secretFile: "-" }, stdinIsTerminal: true },
      "prompt Mesh secret: ",
    ],
    ["$WGMESH_SECRET", { env: bothVariables, stdinIsTerminal: true }, "text from the environment"],
    ["$WGMESH_SECRET_FILE", { env: { ...bothVariables, WGMESH_SECRET: "" } }, "file /file/of/variable"],
    ["a prompt", { stdinIsTerminal: true }, "prompt Mesh secret: "],
  ];

  test.each(cases)("%s", (_what, given, taken) => {
    // A copy: the search takes WGMESH_SECRET out of what it is given.
    expect(find({ ...given, env: { ...given.env } }).taken).toEqual([taken]);
  });

  test.each([
    [["wgmesh.secret", "secret"], "wgmesh.secret"],
    [["secret"], "secret"],
  ])("a systemd credential: of %j, %s", (names, chosen) => {
    const folder = mkdtempSync(path.join(tmpdir(), "wgmesh-credential-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    for (const name of names) writeFileSync(path.join(folder, name), "x", { mode: 0o400 });
    const env = { CREDENTIALS_DIRECTORY: folder };
    expect(find({ env, stdinIsTerminal: true }).taken).toEqual([`file ${path.join(folder, chosen)}`]);
  });

  test("none: ERR_SECRET_MISSING, also with a credentials folder that holds another one", () => {
    for (const env of [{}, { CREDENTIALS_DIRECTORY: "/nonexistent" }]) {
      expect(() => find({ env })).toThrow(
        expect.objectContaining({ code: "ERR_SECRET_MISSING", exitCode: 3 }),
      );
    }
  });
});

describe("what others can see", () => {
  test("is warned of, without the secret", () => {
    for (const given of [
      { request: { secret: "hunter2hunter2hunter2" } },
      { env: { WGMESH_SECRET: "hunter2" } },
    ]) {
      const { warnings } = find(given);
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toContain("--secret-file");
      expect(warnings[0]).not.toContain("hunter2");
    }
    expect(find({ request: { secretFile: "/f" } }).warnings).toEqual([]);
  });

  test("is taken out of the environment, whichever source counts", () => {
    const env: Record<string, string | undefined> = { ...bothVariables };
    find({ request: { secretFile: "/f" }, env });
    expect(env).toEqual({ WGMESH_SECRET_FILE: "/file/of/variable" });
  });
});

describe("a weak secret", () => {
  const weigh = (bits: number, allowWeakSecret: boolean) =>
    findSecret(
      { secret: null, secretFile: "/f", allowWeakSecret },
      { reader: fakeReader(bits).reader, env: {}, stdinIsTerminal: false },
    );

  test("is refused below 80 bits", () => {
    expect(() => weigh(79.9, false)).toThrow(expect.objectContaining({ code: "ERR_SECRET_WEAK" }));
    expect(weigh(80, false).secret).toBeDefined();
  });

  test("is taken with --allow-weak-secret", () => {
    expect(weigh(1, true).secret).toBeDefined();
  });
});

describe("errors of the addon", () => {
  const failing = (code: string | undefined) => {
    const error = Object.assign(
      new Error(`${code}: cannot read /f: reason`),
      code === undefined ? {} : { code },
    );
    const fail = () => {
      throw error;
    };
    const reader: SecretReader = { fromText: fail, fromFile: fail, fromFd: fail, fromPrompt: fail };
    const request = { ...nothing, secretFile: "/f" };
    return () => findSecret(request, { reader, env: {}, stdinIsTerminal: false });
  };

  test.each([
    ["SECRET_SHORT", "ERR_SECRET_SHORT"],
    ["SECRET_URI", "ERR_SECRET_URI"],
    ["SECRET_FILE", "ERR_SECRET_FILE"],
    ["ENOENT", "ERR_SECRET_FILE"],
    ["EACCES", "ERR_SECRET_FILE"],
    ["ENXIO", "ERR_SECRET_MISSING"],
  ])("%s becomes %s and names the source", (native, code) => {
    expect(failing(native)).toThrow(
      expect.objectContaining({ code, exitCode: 3, message: "/f: cannot read /f: reason" }),
    );
  });

  test("what is no error of the addon passes unchanged", () => {
    expect(failing(undefined)).toThrow(/^undefined: cannot read/);
  });
});
