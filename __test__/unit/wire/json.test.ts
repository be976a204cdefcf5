import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JsonNumber, JsonObject, type JsonValue, MAX_JSON_DEPTH, readJson } from "../../../src/wire/json.ts";

const NO_LIMIT = Number.POSITIVE_INFINITY;

/** The value as JSON.parse would give it. */
function plain(value: JsonValue): unknown {
  if (value instanceof JsonNumber) return Number(value.source);
  if (Array.isArray(value)) return value.map(plain);
  if (!(value instanceof JsonObject)) return value;
  const result = {};
  for (const [index, name] of value.names.entries()) {
    const member = {
      value: plain(value.values[index] ?? null),
      enumerable: true,
      configurable: true,
      writable: true,
    };
    Object.defineProperty(result, name, member);
  }
  return result;
}

type Verdict = { readonly value: unknown } | "refused";

function ours(text: string): Verdict {
  const value = readJson(text, NO_LIMIT);
  return value === undefined ? "refused" : { value: plain(value) };
}

function reference(text: string): Verdict {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return "refused";
  }
}

describe("readJson against JSON.parse", () => {
  test("takes what JSON.stringify writes, with any spacing, as the same value", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.nat(4), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(ours(text)).toEqual(reference(text));
      }),
    );
  });

  test("takes and refuses the same broken texts", () => {
    const verdicts = { taken: 0, refused: 0 };
    const unit = fc.constantFrom(
      ..."{}[]:,\"\\/ \t\n\r\f\u00a0\ufeff'0123456789+-.eEtrufalsn\0\u001f\u2028bx",
    );
    const edits = fc.array(fc.tuple(fc.nat(80), fc.nat(2), unit), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), edits, (json, changes) => {
        let text = json;
        for (const [at, removed, added] of changes)
          text = text.slice(0, at) + added + text.slice(at + removed);
        const expected = reference(text);
        expect(ours(text)).toEqual(expected);
        verdicts[expected === "refused" ? "refused" : "taken"]++;
      }),
      { numRuns: 5000 },
    );
    expect(verdicts.taken).toBeGreaterThan(100);
    expect(verdicts.refused).toBeGreaterThan(100);
  });

  test("takes and refuses the same texts made of JSON's own pieces", () => {
    const pieces = [
      "{",
      "}",
      "[",
      "]",
      ":",
      ",",
      '"a"',
      '"\\u00e9"',
      '"\\ud800"',
      '"\\x"',
      '"\\u12"',
      '"',
      "\\",
    ];
    const numbers = ["0", "-0", "01", "1.", ".5", "1e5", "1E+05", "-", "1.5e-3", "+1", "1e", "0x1", "1_0"];
    const words = ["true", "false", "null", "tru", "nul", "True", " ", "\n", '"__proto__"', '"\t"'];
    const text = fc.array(fc.constantFrom(...pieces, ...numbers, ...words), { maxLength: 7 });
    fc.assert(
      fc.property(text, (parts) => {
        expect(ours(parts.join(""))).toEqual(reference(parts.join("")));
      }),
      { numRuns: 20_000 },
    );
  });
});

describe("readJson keeps what JSON.parse loses", () => {
  test("duplicate members in their order", () => {
    const object = readJson('{"a":1,"A":2,"a":3}', NO_LIMIT) as JsonObject;
    expect(object.names).toEqual(["a", "A", "a"]);
    expect(object.values.map((value) => (value as JsonNumber).source)).toEqual(["1", "2", "3"]);
  });

  test.each(["1767225600.0", "1.7672256e9", "9223372036854775807", "-0"])(
    "the number %s as written",
    (source) => {
      expect(readJson(source, NO_LIMIT)).toEqual(new JsonNumber(source));
    },
  );
});

describe("readJson has limits", () => {
  const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);

  test("of depth", () => {
    expect(readJson(nested(MAX_JSON_DEPTH), NO_LIMIT)).toBeDefined();
    expect(readJson(nested(MAX_JSON_DEPTH + 1), NO_LIMIT)).toBeUndefined();
    expect(readJson('{"a":'.repeat(200_000), NO_LIMIT)).toBeUndefined();
  });

  test("of size", () => {
    expect(readJson('"12345678"', 10)).toBe("12345678");
    expect(readJson('"123456789"', 10)).toBeUndefined();
  });
});
