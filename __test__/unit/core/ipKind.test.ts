import { BlockList } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type IpKind, ipKind, isInCidr } from "../../../src/core/ipKind.ts";
import { cidr, ip } from "../support/announcements.ts";

describe("ipKind", () => {
  test.each<[IpKind, readonly string[]]>([
    ["unspecified", ["0.0.0.0", "::"]],
    ["loopback", ["127.0.0.1", "127.255.255.255", "::1"]],
    ["linkLocal", ["169.254.0.1", "fe80::1", "febf::1"]],
    ["multicast", ["224.0.0.1", "239.255.255.255", "ff02::1"]],
    ["private", ["10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1", "fc00::1", "fdff::1"]],
    ["carrierNat", ["100.64.0.0", "100.127.255.255"]],
    ["reserved", ["0.0.0.1", "240.0.0.1", "255.255.255.255"]],
    [
      "global",
      [
        "8.8.8.8",
        "100.63.0.1",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "169.253.0.1",
        "2001:db8::1",
        "::2",
        "fec0::1",
      ],
    ],
  ])("%s", (kind, addresses) => {
    for (const address of addresses) expect(`${address} ${ipKind(ip(address))}`).toBe(`${address} ${kind}`);
  });
});

describe("isInCidr", () => {
  test("agrees with Node's own block list", () => {
    const any = fc.oneof(
      fc.ipV4(),
      fc.ipV6().map((text) => String(ip(text))),
    );
    fc.assert(
      fc.property(any, any, fc.nat(128), (address, base, bits) => {
        const family = (text: string): "ipv4" | "ipv6" => (text.includes(":") ? "ipv6" : "ipv4");
        const prefix = family(base) === "ipv4" ? bits % 33 : bits;
        const list = new BlockList();
        list.addSubnet(base, prefix, family(base));
        const expected = family(address) === family(base) && list.check(address, family(address));
        expect(isInCidr(ip(address), cidr(`${base}/${prefix}`))).toBe(expected);
      }),
      { numRuns: 1000 },
    );
  });
});
