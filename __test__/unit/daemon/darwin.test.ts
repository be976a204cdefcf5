import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type InterfaceNames, interfaceNames } from "../../../src/daemon/darwinNames.ts";
import { darwinSettings } from "../../../src/daemon/darwinSettings.ts";

describe("names of interfaces on macOS", () => {
  let folder: string;
  let names: InterfaceNames;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "wgmesh-names-"));
    names = interfaceNames(folder);
    writeFileSync(join(folder, "wg0.name"), "utun5\n");
    writeFileSync(join(folder, "wg1.name"), "../../etc/passwd\n");
    writeFileSync(join(folder, "utun5.sock"), "");
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("lead from the operator's to the kernel's and back", () => {
    expect(names.kernelName("wg0")).toBe("utun5");
    expect(names.ownName("utun5")).toBe("wg0");
  });

  test.each(["wg1", "wg2", "utun7", "en0"])("are the same where nothing else is known: %s", (name) => {
    expect(names.kernelName(name)).toBe(name);
    expect(names.ownName(name)).toBe(name);
  });

  test("need no folder", () => {
    const none = interfaceNames(join(folder, "nonesuch"));
    expect([none.kernelName("wg0"), none.ownName("utun5")]).toEqual(["wg0", "utun5"]);
  });
});

describe("kernel settings on macOS", () => {
  test("say that IPv6 is there", () => {
    expect(darwinSettings.read("ipv6/conf/wg0/disable_ipv6")).toBe("0");
    expect(darwinSettings.read("ipv6/conf/wg0/accept_ra")).toBeNull();
    expect(darwinSettings.links("ipv6")).toEqual([]);
  });

  test("say who turns forwarding on, rather than that it is", () => {
    expect(() => darwinSettings.read("ipv4/conf/en0/forwarding")).toThrow(/does not turn forwarding on/);
    expect(() => darwinSettings.write("ipv4/conf/en0/forwarding", "1")).toThrow(/forwarding/);
  });
});
