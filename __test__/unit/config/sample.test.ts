import { describe, expect, test } from "vitest";
import { parseConfigText } from "../../../src/config/configFile.ts";
import { jsonSchema } from "../../../src/config/jsonSchema.ts";
import { sampleText } from "../../../src/config/sample.ts";
import { schema } from "../../../src/config/schema.ts";
import { wgmesh } from "../cli/run.ts";

/** The lines of settings, no longer commented out. */
const uncommented = (text: string): string => text.replaceAll(/^#(?=[a-z])/gm, "");

describe("the sample file", () => {
  // `npx vitest run config/sample -u` rewrites the file.
  test("packaging/wgmesh.toml is what the tables say", async () => {
    await expect(sampleText()).toMatchFileSnapshot("../../../packaging/wgmesh.toml");
  });

  test("is printed by wgmesh config sample", async () => {
    expect(await wgmesh(["config", "sample"])).toEqual({ code: 0, out: sampleText(), err: "" });
  });

  test("as it is sets nothing", () => {
    expect(parseConfigText(sampleText(), "sample", "file")).toEqual({ settings: new Map(), problems: [] });
  });

  test("with every line taken in sets every option, each to something that is allowed", () => {
    const { settings, problems } = parseConfigText(uncommented(sampleText()), "sample", "file");
    expect(problems).toEqual([]);
    expect([...settings.keys()].sort()).toEqual([...schema.keys()].sort());
  });
});

describe("the JSON Schema", () => {
  interface Property {
    readonly description: string;
    readonly type?: string;
    readonly enum?: readonly string[];
    readonly default?: unknown;
  }
  const tables = (jsonSchema() as { properties: Record<string, { properties: Record<string, Property> }> })
    .properties;

  test("has every option in its table, and nothing else", () => {
    const listed = Object.entries(tables).flatMap(([table, { properties }]) =>
      Object.keys(properties).map((key) => `${table}.${key}`),
    );
    expect(listed.sort()).toEqual([...schema.values()].map(({ table, key }) => `${table}.${key}`).sort());
  });

  test("says what a value may be", () => {
    expect(tables.interface?.properties["listen-port"]).toMatchObject({
      type: "integer",
      minimum: 1,
      maximum: 65535,
      "x-variable": "WGMESH_LISTEN_PORT",
      "x-change": "restart",
    });
    expect(tables.interface?.properties.backend).toMatchObject({
      enum: ["auto", "kernel", "embedded", "wireguard-go"],
      default: "auto",
    });
    expect(tables.discovery?.properties.dht).toMatchObject({ type: "boolean", default: true });
    expect(tables.routes?.properties["accept-routes"]).toMatchObject({
      anyOf: [{ enum: ["all", "none"] }, { type: "array", items: { type: "string" } }],
    });
  });

  test("is printed by wgmesh config schema", async () => {
    const { code, out } = await wgmesh(["config", "schema"]);
    expect([code, JSON.parse(out)]).toEqual([0, jsonSchema()]);
  });
});

test("keys and variables are the flags, said positively, and each is there once", () => {
  expect(schema.get("dht")).toMatchObject({ variable: "WGMESH_DHT", table: "discovery" });
  expect(schema.get("listen-port")).toMatchObject({ variable: "WGMESH_LISTEN_PORT", table: "interface" });
  const names = [...schema.values()].flatMap(({ variable, row }) => [variable, row.env ?? variable]);
  const own = [...schema.values()].map(({ variable }) => variable);
  expect(new Set(own).size).toBe(schema.size);
  // No option's older name is another's systematic one.
  for (const { variable, row } of schema.values()) {
    if (row.env !== undefined && row.env !== variable) expect(own).not.toContain(row.env);
  }
  expect(names).not.toContain("WGMESH_SECRET");
});
