/** Holds a value against the part of JSON Schema that docs/rpc.schema.json uses. */
import { readFileSync } from "node:fs";

type Json = Readonly<Record<string, unknown>>;

const file = new URL("../../../docs/rpc.schema.json", import.meta.url);

interface SchemaFile {
  readonly properties: Readonly<Record<string, Json>>;
}

/** What is wrong with the answer of a method; empty when it conforms. Members that the schema does not name are wrong too. */
export function faultsOf(method: string, answer: unknown): string[] {
  const { properties } = JSON.parse(readFileSync(file, "utf8")) as SchemaFile;
  const schema = properties[method];
  return schema === undefined ? [`${method} is not in the schema`] : faults(schema, answer, method);
}

function faults(schema: Json, value: unknown, place: string): string[] {
  const wrong = (wanted: string): string[] => [
    `${place}: ${JSON.stringify(value)?.slice(0, 80)} is not ${wanted}`,
  ];
  if (Array.isArray(schema.anyOf)) {
    const fits = (schema.anyOf as Json[]).some((part) => faults(part, value, place).length === 0);
    return fits ? [] : wrong(JSON.stringify(schema.anyOf).slice(0, 200));
  }
  if ("const" in schema) return value === schema.const ? [] : wrong(String(schema.const));
  if (Array.isArray(schema.enum)) return schema.enum.includes(value) ? [] : wrong(schema.enum.join("|"));
  if (schema.type === undefined) return [];
  if (typeName(value) !== schema.type) return wrong(String(schema.type));
  if (Array.isArray(value)) {
    return value.flatMap((entry, index) => faults(schema.items as Json, entry, `${place}[${index}]`));
  }
  if (typeof value !== "object" || value === null) return [];
  return objectFaults(schema, value as Json, place);
}

function objectFaults(schema: Json, value: Json, place: string): string[] {
  const properties = (schema.properties ?? {}) as Readonly<Record<string, Json>>;
  const missing = ((schema.required ?? []) as string[]).filter((name) => !(name in value));
  return [
    ...missing.map((name) => `${place}.${name} is missing`),
    ...Object.entries(value).flatMap(([name, inner]) => {
      const of = properties[name] ?? (schema.additionalProperties as Json | undefined);
      return of === undefined
        ? [`${place}.${name} is not in the schema`]
        : faults(of, inner, `${place}.${name}`);
    }),
  ];
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}
