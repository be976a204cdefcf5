import { describe, expect, test } from "vitest";
import { ipv4Bytes } from "../../../src/core/ipv4.ts";
import { ReadTexts, sameText } from "../../../src/core/texts.ts";
import { parseIp, parsePublicKey } from "../../../src/core/types.ts";
import { collectGarbage } from "../../../src/daemon/collectGarbage.ts";

describe("texts that come again", () => {
  test("are remembered with what they were read as", () => {
    const texts = new ReadTexts<number>();
    expect(texts.get("seven")).toBeUndefined();
    expect(texts.set("seven", 7)).toBe(7);
    expect(texts.get("seven")).toBe(7);
  });

  test("a flood of invented ones takes no more than a little memory", () => {
    const texts = new ReadTexts<number>();
    texts.set("first", 1);
    for (let at = 0; at < 20_000; at += 1) texts.set(`invented ${at}`, at);
    expect(texts.get("first")).toBeUndefined();
    expect(texts.get("invented 19999")).toBe(19_999);
  });

  test("do not keep the message they were cut out of", () => {
    const message = (at: number): string => `${"x".repeat(10_000)}a hostname of ${at}`;
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    const kept = Array.from({ length: 5_000 }, (_, at) => sameText(message(at).slice(10_000)));
    expect(kept[17]).toBe("a hostname of 17");
    collectGarbage();
    // The messages would be 50 MB.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(10e6);
  });

  test("long ones are not remembered", () => {
    const text = "host".repeat(40);
    expect(sameText(text)).toBe(text);
    const texts = new ReadTexts<number>();
    expect(texts.set(text, 1)).toBe(1);
    expect(texts.get(text)).toBeUndefined();
  });
});

test("keys and addresses that are no such are refused however often they come", () => {
  for (const text of ["", "not a key", "AAAA"]) {
    expect([parsePublicKey(text), parsePublicKey(text)]).toEqual([null, null]);
    expect([parseIp(text), parseIp(text)]).toEqual([null, null]);
  }
});

test.each([
  ["0.0.0.0", [0, 0, 0, 0]],
  ["10.1.20.255", [10, 1, 20, 255]],
  ["255.255.255.255", [255, 255, 255, 255]],
])("the bytes of %s", (ip, bytes) => {
  expect(ipv4Bytes(ip)).toEqual(bytes);
});
