import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  endpointText,
  parseCidr,
  parseEndpoint,
  parseInterfaceName,
  parseIp,
  parsePort,
  parsePublicKey,
} from "../../../src/core/types.ts";

describe("parsePublicKey", () => {
  test("gives one text for every spelling of 32 bytes", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.nat(3),
        fc.nat(44),
        (bytes, spare, breakAt) => {
          const key = Buffer.from(bytes).toString("base64");
          const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
          const last = alphabet[alphabet.indexOf(key[42] ?? "") + spare];
          const spelling = `${key.slice(0, 42)}${last}=`;
          expect(parsePublicKey(`${spelling.slice(0, breakAt)}\r\n${spelling.slice(breakAt)}`)).toBe(key);
        },
      ),
    );
  });

  test.each([
    "",
    "A".repeat(43),
    "A".repeat(44),
    `${"A".repeat(42)}==`,
    `${"A".repeat(42)} =`,
    `-${"A".repeat(42)}=`,
  ])("%j is none", (text) => {
    expect(parsePublicKey(text)).toBeNull();
  });
});

describe("parseInterfaceName", () => {
  test.each(["wg0", "a", "mesh_1-b", "a23456789012345"])("%s", (name) => {
    expect(parseInterfaceName(name)).toBe(name);
  });

  test.each(["", "0wg", "wg/0", "..", "wg 0", "wg.0", "a234567890123456", "wg0\n", "ąž"])(
    "%j is refused",
    (name) => {
      expect(() => parseInterfaceName(name)).toThrow(expect.objectContaining({ code: "ERR_INTERFACE_NAME" }));
    },
  );
});

describe("parsePort", () => {
  test.each(["1", "65535", 51820])("%s", (port) => {
    expect(parsePort(port, "port")).toBe(Number(port));
  });

  test.each(["0", "65536", "-1", "+1", "1.5", "", " 1", "0x10", "http", 0, 70_000, 1.5, Number.NaN])(
    "%j is refused and named",
    (port) => {
      expect(() => parsePort(port, "--listen-port")).toThrow(/^--listen-port /);
    },
  );
});

describe("parseIp", () => {
  test.each([
    ["10.0.0.1", "10.0.0.1"],
    ["FD00:0:0:0::1", "fd00::1"],
    ["::ffff:10.0.0.1", "10.0.0.1"],
    ["::", "::"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ])("%s is %s", (text, canonical) => {
    expect(parseIp(text)).toBe(canonical);
  });

  test.each([
    "",
    "10.0.0",
    "10.0.0.256",
    "10.01.0.1",
    "0x0a.0.0.1",
    "fe80::1%eth0",
    "10.0.0.1/24",
    " 10.0.0.1",
    "host",
  ])("%j is none", (text) => {
    expect(parseIp(text)).toBeNull();
  });

  test("a canonical text stays as it is", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const canonical = parseIp(text) ?? "";
        expect(parseIp(canonical)).toBe(canonical);
      }),
    );
  });
});

describe("parseCidr", () => {
  test.each([
    ["192.168.1.77/24", "192.168.1.0/24"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["FD00:1::5/64", "fd00:1::/64"],
    ["10.0.0.1/32", "10.0.0.1/32"],
  ])("%s is %s", (text, canonical) => {
    expect(parseCidr(text)).toBe(canonical);
    expect(parseCidr(canonical)).toBe(canonical);
  });

  test.each([
    "",
    "10.0.0.0",
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/08",
    "10.0.0.0/-1",
    "fe80::%eth0/64",
    " 10.0.0.0/8",
    "10.0.0.0/8/8",
  ])("%j is none", (text) => {
    expect(parseCidr(text)).toBeNull();
  });
});

describe("parseEndpoint", () => {
  test.each(["203.0.113.5:51820", "host.example:1", "[2001:db8::1]:65535", "localhost:80"])("%s", (text) => {
    const endpoint = parseEndpoint(text);
    expect(endpoint === null ? null : endpointText(endpoint)).toBe(text);
  });

  test.each([
    "",
    ":1",
    "host",
    "host:",
    "host:0",
    "host:65536",
    "host:+1",
    "1.2.3:1",
    "1.2.3.256:1",
    "2001:db8::1:1",
    "[fe80::1%eth0]:1",
    "[host]:1",
    "bad host:1",
    "-f:1",
  ])("%j is none", (text) => {
    expect(parseEndpoint(text)).toBeNull();
  });
});
