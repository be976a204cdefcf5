import type { BackendKind, WireGuardDevice } from "@wgmesh/native";
import { describe, expect, test } from "vitest";
import { WgmeshError } from "../../../src/core/errors.ts";
import type { LogFields } from "../../../src/core/log.ts";
import { silentLog } from "../../../src/core/log.ts";
import { parseInterfaceName } from "../../../src/core/types.ts";
import type { Backend } from "../../../src/wireguard/backend.ts";
import { type BackendChoice, openBackend } from "../../../src/wireguard/select.ts";
import { anyUnderlay } from "../../../src/wireguard/underlaySockets.ts";
import { fakeDevice, keys, nativeError } from "./fakeDevice.ts";

interface Attempt {
  readonly result: Backend | WgmeshError;
  readonly logged: LogFields[];
  readonly tried: BackendKind[];
}

/** Opens with backends that fail with these codes, or work. */
function attempt(
  choice: BackendChoice,
  failures: Partial<Record<BackendKind, string>>,
  platform: NodeJS.Platform = "linux",
): Attempt {
  const logged: LogFields[] = [];
  const tried: BackendKind[] = [];
  const log = { ...silentLog, info: (fields: LogFields) => void logged.push(fields) };
  const open = (kind: BackendKind): WireGuardDevice => {
    tried.push(kind);
    const code = failures[kind];
    if (code !== undefined) throw nativeError(code);
    return fakeDevice(kind);
  };
  const interfaceName = parseInterfaceName("wg0");
  try {
    const files = {
      ...{ underlay: anyUnderlay, wireguardGo: null, childRecord: "/run/wgmesh/wg0.child.json" },
      threads: null,
    };
    const request = { choice, interfaceName, mtu: 0, keys, log, ...files };
    return { result: openBackend(request, open, platform), logged, tried };
  } catch (error) {
    if (!(error instanceof WgmeshError)) throw error;
    return { result: error, logged, tried };
  }
}

function codeOf({ result }: Attempt): string {
  return result instanceof WgmeshError ? result.code : `opened ${result.name}`;
}

describe("auto", () => {
  test("takes the kernel when it works, and tries nothing else", () => {
    const opened = attempt("auto", {});
    expect(codeOf(opened)).toBe("opened kernel");
    expect(opened.tried).toEqual(["kernel"]);
    expect(opened.logged).toEqual([{ backend: "kernel", reason: "the kernel has WireGuard" }]);
  });

  test("takes the embedded engine when the kernel has no WireGuard, and says so in one line", () => {
    const opened = attempt("auto", { kernel: "EOPNOTSUPP" });
    expect(codeOf(opened)).toBe("opened embedded");
    expect(opened.logged).toEqual([{ backend: "embedded", reason: "the kernel has no WireGuard" }]);
  });

  test("takes the embedded engine when the kernel fails in another way, with that way as the reason", () => {
    const opened = attempt("auto", { kernel: "ENOMEM" });
    expect(codeOf(opened)).toBe("opened embedded");
    expect(opened.logged).toEqual([{ backend: "embedded", reason: "ENOMEM: cannot open wg0: because" }]);
  });

  test.each([
    ["EPERM", "ERR_PERMISSION"],
    ["NOT_WIREGUARD", "ERR_NOT_WIREGUARD"],
  ])("does not go on after %s of the kernel", (native, code) => {
    const refused = attempt("auto", { kernel: native });
    expect(codeOf(refused)).toBe(code);
    expect(refused.tried).toEqual(["kernel"]);
    expect(refused.logged).toEqual([]);
  });

  test("takes wireguard-go when the kernel and the embedded engine fail", () => {
    const opened = attempt("auto", { kernel: "EOPNOTSUPP", embedded: "ENOMEM" });
    expect(codeOf(opened)).toBe("opened wireguard-go");
    expect(opened.tried).toEqual(["kernel", "embedded", "wireguard-go"]);
    const reason = "the kernel has no WireGuard; ENOMEM: cannot open wg0: because";
    expect(opened.logged).toEqual([{ backend: "wireguard-go", reason }]);
  });

  test("names every reason when none works", () => {
    const failures = { kernel: "EOPNOTSUPP", embedded: "ENOENT", "wireguard-go": "NO_WIREGUARD_GO" };
    const refused = attempt("auto", failures);
    expect(codeOf(refused)).toBe("ERR_NO_BACKEND");
    expect(String(refused.result)).toMatch(
      /kernel: EOPNOTSUPP: .*embedded: ENOENT: .*wireguard-go: NO_WIREGUARD_GO: /,
    );
  });

  test("is wireguard-go on macOS, with its own error when that fails", () => {
    const opened = attempt("auto", {}, "darwin");
    expect(opened.tried).toEqual(["wireguard-go"]);
    expect(opened.logged).toEqual([{ backend: "wireguard-go", reason: "the default" }]);
    expect(codeOf(attempt("auto", { "wireguard-go": "NO_WIREGUARD_GO" }, "darwin"))).toBe(
      "ERR_NO_WIREGUARD_GO",
    );
  });
});

describe("one backend by name", () => {
  test.each([
    ["kernel", "EOPNOTSUPP", "ERR_NO_BACKEND"],
    ["kernel", "EPERM", "ERR_PERMISSION"],
    ["kernel", "NOT_WIREGUARD", "ERR_NOT_WIREGUARD"],
    ["kernel", "ENOMEM", "ERR_SYSTEM"],
    ["embedded", "ENOENT", "ERR_NO_TUN"],
    ["embedded", "ENODEV", "ERR_NO_TUN"],
    ["embedded", "EPERM", "ERR_PERMISSION"],
    ["embedded", "EACCES", "ERR_PERMISSION"],
    ["embedded", "EEXIST", "ERR_NOT_WIREGUARD"],
    ["embedded", "ENOTSUP", "ERR_NO_BACKEND"],
    ["wireguard-go", "NO_WIREGUARD_GO", "ERR_NO_WIREGUARD_GO"],
    ["wireguard-go", "CHILD_FAILED", "ERR_NO_WIREGUARD_GO"],
    ["wireguard-go", "ENOENT", "ERR_NO_TUN"],
    ["wireguard-go", "EEXIST", "ERR_NOT_WIREGUARD"],
    ["wireguard-go", "EBUSY", "ERR_SYSTEM"],
    ["wireguard-go", "EPERM", "ERR_PERMISSION"],
  ] as const)("%s that fails with %s is %s", (choice, native, code) => {
    const refused = attempt(choice, { [choice]: native });
    expect(codeOf(refused)).toBe(code);
    expect(refused.tried).toEqual([choice]);
    expect((refused.result as WgmeshError).cause).toMatchObject({ code: native });
  });

  test.each([
    ["EPERM", /STUN.*hole punching.*CAP_NET_RAW.*--backend embedded/],
    ["ENOTSUP", /STUN.*no remedy/],
  ])("works without its own port beside WireGuard (%s), and says so once", (code, expected) => {
    const warned: [LogFields, string][] = [];
    const warn = (fields: LogFields, text: string): void => void warned.push([fields, text]);
    const device = fakeDevice("kernel", {
      onDatagram: () => {
        throw nativeError(code, "cannot open the raw sockets for wg0: because");
      },
    });
    const request = {
      choice: "kernel" as const,
      interfaceName: parseInterfaceName("wg0"),
      mtu: 0,
      keys,
      log: { ...silentLog, warn },
      wireguardGo: null,
      underlay: anyUnderlay,
      childRecord: "/run/wgmesh/wg0.child.json",
      threads: null,
    };
    const backend = openBackend(request, () => device, "linux");
    expect(backend.wireguardPort).toBeNull();
    expect(warned).toHaveLength(1);
    const [[fields, text]] = warned as [[LogFields, string]];
    expect(fields).toEqual({
      backend: "kernel",
      reason: `${code}: cannot open the raw sockets for wg0: because`,
    });
    expect(text).toMatch(expected);
  });

  test("embedded is not looked for in the kernel", () => {
    const opened = attempt("embedded", {});
    expect(opened.tried).toEqual(["embedded"]);
    expect(opened.logged).toEqual([{ backend: "embedded", reason: "chosen" }]);
  });
});
