import { decodeBase64 } from "./base64.ts";
import { JsonNumber, JsonObject, type JsonValue } from "./json.ts";

/** What a known member must hold. `integer` is a signed 64-bit integer literal; large ones lose precision as numbers. */
export type MemberKind = "string" | "boolean" | "integer" | "bytes" | "strings" | "objects";

/** Known names, in lower case, and their kinds. */
export type Shape = Readonly<Record<string, MemberKind>>;

interface KindValues {
  string: string;
  boolean: boolean;
  integer: number;
  bytes: Buffer;
  strings: readonly string[];
  objects: readonly JsonObject[];
}

export type Members<S extends Shape> = { -readonly [Name in keyof S]: KindValues[S[Name]] };

export type MemberReader<S extends Shape> = (value: JsonValue) => Members<S> | undefined;

const NO_BYTES = Buffer.alloc(0);
const NO_ITEMS: readonly never[] = Object.freeze([]);

const ZERO: KindValues = {
  string: "",
  boolean: false,
  integer: 0,
  bytes: NO_BYTES,
  strings: NO_ITEMS,
  objects: NO_ITEMS,
};

/**
 * Makes a reader with the Go decoder's tolerances (PROTOCOL.md section 3): names match without regard to case, the last
 * of duplicates wins, unknown names are ignored, null and absent members give the zero value. Undefined when a known
 * name holds another type, even in a duplicate that loses, or when the value is neither object nor null.
 */
export function memberReader<const S extends Shape>(shape: S): MemberReader<S> {
  const kinds = new Map(Object.entries(shape));
  const zero = Object.fromEntries([...kinds].map(([name, kind]) => [name, ZERO[kind]]));
  return (value) => {
    const members: Record<string, unknown> = { ...zero };
    if (value === null) return members as Members<S>;
    if (!(value instanceof JsonObject)) return undefined;
    for (const [index, given] of value.names.entries()) {
      const name = kinds.has(given) ? given : given.toLowerCase();
      const kind = kinds.get(name);
      if (kind === undefined) continue;
      const read = readKind(kind, value.values[index] as JsonValue);
      if (read === undefined) return undefined;
      // As in Go, null leaves a scalar as an earlier duplicate set it, but empties a list.
      if (read !== null) members[name] = read;
    }
    return members as Members<S>;
  };
}

/** Null means "leave as it is", undefined "wrong type". */
function readKind(kind: MemberKind, value: JsonValue): KindValues[MemberKind] | null | undefined {
  switch (kind) {
    case "string":
      return value === null || typeof value === "string" ? value : undefined;
    case "boolean":
      return value === null || typeof value === "boolean" ? value : undefined;
    case "integer":
      return value === null ? null : readInteger(value);
    case "bytes":
      return readBytes(value);
    case "strings":
      return readList(value, (item) => (item === null ? "" : typeof item === "string" ? item : undefined));
    case "objects":
      return readList(value, (item) =>
        item === null ? new JsonObject() : item instanceof JsonObject ? item : undefined,
      );
  }
}

function readInteger(value: JsonValue): number | undefined {
  // JSON has no leading zeros, so more digits than these never fit 64 bits.
  if (!(value instanceof JsonNumber) || !/^-?\d{1,19}$/.test(value.source)) return undefined;
  const number = Number(value.source);
  if (Number.isSafeInteger(number)) return number;
  const exact = BigInt(value.source);
  return BigInt.asIntN(64, exact) === exact ? number : undefined;
}

/** Base64 text or, as Go also takes it, an array of byte numbers. */
function readBytes(value: JsonValue): Buffer | undefined {
  if (value === null) return NO_BYTES;
  if (typeof value === "string") return decodeBase64(value) ?? undefined;
  if (!Array.isArray(value)) return undefined;
  const bytes = Buffer.alloc(value.length);
  for (const [index, item] of value.entries()) {
    if (!(item instanceof JsonNumber) || !/^\d{1,3}$/.test(item.source)) return undefined;
    const byte = Number(item.source);
    if (byte > 255) return undefined;
    bytes[index] = byte;
  }
  return bytes;
}

function readList<T>(
  value: JsonValue,
  readItem: (item: JsonValue) => T | undefined,
): T[] | readonly never[] | undefined {
  if (value === null) return NO_ITEMS;
  if (!Array.isArray(value)) return undefined;
  const items: T[] = [];
  for (const raw of value) {
    const item = readItem(raw);
    if (item === undefined) return undefined;
    items.push(item);
  }
  return items;
}
