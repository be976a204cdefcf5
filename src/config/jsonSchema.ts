/**
 * The configuration file as a JSON Schema (draft 2020-12), for editors that complete and check TOML by one.
 */
import { plainValue } from "./layers.ts";
import { meaning } from "./sample.ts";
import { type SchemaRow, schema, schemaTables } from "./schema.ts";
import type { ValueShape } from "./shape.ts";

export function jsonSchema(): object {
  const tables = schemaTables.map((table) => {
    const rows = [...schema.values()].filter((row) => row.table === table);
    const properties = Object.fromEntries(rows.map((row) => [row.key, propertySchema(row)]));
    return [table, { type: "object", additionalProperties: false, properties }];
  });
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Configuration of wgmesh",
    type: "object",
    additionalProperties: false,
    properties: Object.fromEntries(tables),
  };
}

function propertySchema(row: SchemaRow): object {
  const value = plainValue(row.row.default);
  return {
    description: meaning(row),
    ...shapeSchema(row.shape),
    ...(value === null || value === 0 ? {} : { default: value }),
    "x-variable": row.variable,
    "x-change": row.reload,
  };
}

function shapeSchema(shape: ValueShape): object {
  switch (shape.kind) {
    case "boolean":
      return { type: "boolean" };
    case "integer":
      return { type: "integer", minimum: shape.minimum, maximum: shape.maximum };
    case "size":
      return {
        anyOf: [
          { type: "integer", minimum: shape.minimum, maximum: shape.maximum },
          { type: "string", pattern: "^[0-9]+[KMGkmg]?$" },
        ],
      };
    case "text":
      if (shape.path) return { type: "string", pattern: "^/" };
      return shape.words === undefined ? { type: "string" } : { enum: shape.words };
    case "list": {
      const list = { type: "array", items: { type: "string" } };
      return shape.words === undefined ? list : { anyOf: [{ enum: shape.words }, list] };
    }
  }
}
