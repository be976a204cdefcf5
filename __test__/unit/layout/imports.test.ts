import { describe, expect, test } from "vitest";
import { cycles, forbiddenImports, importsOf } from "./importRule.ts";
import { sourcesBelow } from "./repository.ts";

const sources = sourcesBelow("src", ".ts");

describe("imports of src/", () => {
  test("point one way", () => {
    expect(sources.size).toBeGreaterThan(10);
    expect(forbiddenImports(sources)).toEqual([]);
  });

  test("form no circle", () => {
    expect(cycles(sources)).toEqual([]);
  });

  test("name files that exist, with their ending", () => {
    const edges = [...sources].flatMap(([file, text]) => importsOf(file, text));
    const dangling = edges.filter(({ to }) => !to.startsWith("@") && !sources.has(to));
    expect(dangling).toEqual([]);
  });
});

describe("the rule itself", () => {
  const plant = (file: string, text: string): string[] => forbiddenImports(new Map([[file, text]]));

  test.each([
    ["core/types.ts", 'import { PeerStore } from "../peers/store.ts";'],
    ["peers/store.ts", 'import {\n  type Discovery,\n  x,\n} from "../discovery/seams.ts";'],
    ["mesh/apply.ts", 'import { MeshSecret } from "@wgmesh/native";'],
    ["daemon/compose.ts", 'import * as native from "@wgmesh/native";'],
    ["rpc/server.ts", 'import type { Discovery } from "../discovery/seams.ts";'],
    ["rpc/views/status.ts", 'import { x } from "../../discovery/seams.ts";'],
    ["cli/wgmesh.ts", 'const door = await import("../daemon/compose.ts");'],
    ["wire/open.ts", 'export { PeerStore } from "../peers/store.ts";'],
    ["strange/new.ts", 'import "../core/log.ts";'],
  ])("finds a planted bad import in %s", (file, text) => {
    expect(plant(file, text)).toHaveLength(1);
  });

  test.each([
    ["wireguard/nativeBackend.ts", 'import { WireGuardDevice } from "@wgmesh/native";'],
    ["daemon/os.ts", 'import { FileLock } from "@wgmesh/native";'],
    ["rpc/views/status.ts", 'import type { LayerStatus } from "../../discovery/seams.ts";'],
    ["discovery/lan.ts", 'import { seal } from "../wire/seal.ts";\nimport dgram from "node:dgram";'],
  ])("lets a good import in %s pass", (file, text) => {
    expect(plant(file, text)).toEqual([]);
  });

  test("finds a planted circle", () => {
    const circle = new Map([
      ["core/a.ts", 'import "./b.ts";'],
      ["core/b.ts", 'export * from "./a.ts";'],
    ]);
    expect(cycles(circle)).toEqual(["core/a.ts → core/b.ts → core/a.ts"]);
  });
});
