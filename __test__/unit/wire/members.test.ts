import { describe, expect, test } from "vitest";
import { decodeBase64 } from "../../../src/wire/base64.ts";
import { readJson } from "../../../src/wire/json.ts";
import { memberReader } from "../../../src/wire/members.ts";

const read = memberReader({
  name: "string",
  flag: "boolean",
  count: "integer",
  raw: "bytes",
  list: "strings",
  inner: "objects",
});

function readText(text: string): ReturnType<typeof read> {
  const json = readJson(text, 10_000);
  if (json === undefined) throw new Error("not JSON");
  return read(json);
}

const ZERO = { name: "", flag: false, count: 0, raw: Buffer.alloc(0), list: [], inner: [] };

describe("memberReader", () => {
  test.each([
    "{}",
    "null",
    '{"name":null,"flag":null,"count":null,"raw":null,"list":null,"inner":null}',
    '{"x":1}',
  ])("%s gives zero values", (text) => {
    expect(readText(text)).toEqual(ZERO);
  });

  test("names match without regard to case, and the last duplicate wins", () => {
    expect(readText('{"name":"a","NAME":"b","nAmE":"c"}')?.name).toBe("c");
  });

  test("null after a value leaves a scalar and empties a list", () => {
    const members = readText('{"name":"a","name":null,"list":["b"],"list":null,"raw":"AA==","raw":null}');
    expect(members).toEqual({ ...ZERO, name: "a" });
  });

  test.each([
    "[]",
    "7",
    '{"name":1}',
    '{"name":1,"name":"a"}',
    '{"flag":"true"}',
    '{"flag":0}',
    '{"list":"a"}',
    '{"list":[1]}',
    '{"list":{}}',
    '{"inner":[1]}',
    '{"inner":{}}',
    '{"raw":[256]}',
    '{"raw":[-1]}',
    '{"raw":[1.0]}',
    '{"raw":["1"]}',
    '{"raw":{}}',
  ])("%s is a wrong type", (text) => {
    expect(readText(text)).toBeUndefined();
  });

  test.each([
    ["9223372036854775807", 9223372036854775807n],
    ["-9223372036854775808", -9223372036854775808n],
    ["-0", 0n],
    ["1767225600", 1767225600n],
  ])("%s is an integer", (text, value) => {
    expect(BigInt(readText(`{"count":${text}}`)?.count ?? Number.NaN)).toBe(BigInt(Number(value)));
  });

  test.each([
    "9223372036854775808",
    "-9223372036854775809",
    "1.0",
    "1e3",
    '"1"',
    "true",
    `1${"0".repeat(400)}`,
  ])("%s is not an integer", (text) => {
    expect(readText(`{"count":${text}}`)).toBeUndefined();
  });

  test("bytes may be a list of numbers", () => {
    expect(readText('{"raw":[0,1,255]}')?.raw).toEqual(Buffer.from([0, 1, 255]));
  });

  test("null in a list is the zero value of its items", () => {
    expect(readText('{"list":[null,"a"]}')?.list).toEqual(["", "a"]);
    expect(readText('{"inner":[null]}')?.inner).toHaveLength(1);
  });
});

describe("decodeBase64", () => {
  test.each([
    ["", ""],
    ["AA==", "00"],
    ["AB==", "00"],
    ["AAE=", "0001"],
    ["+/+/", "fbffbf"],
    ["A\r\nA=\n=\n", "00"],
  ])("%j is %s", (text, hex) => {
    expect(decodeBase64(text)?.toString("hex")).toBe(hex);
  });

  test.each(["A", "AA", "AA=", "-_-_", "A A=", "AA==AA==", "====", "AAA==", "AA\u00e9="])(
    "%j is refused",
    (text) => {
      expect(decodeBase64(text)).toBeNull();
    },
  );
});
