import { describe, expect, test } from "vitest";
import type { IpAddress } from "../../../src/core/types.ts";
import { type AddressClaim, acceptsAddress } from "../../../src/peers/addressPolicy.ts";
import { ip, keyOf } from "../support/announcements.ts";
import { testDerivation } from "../support/derivation.ts";

const rules = { addresses: testDerivation, strict: false, noIpv6: false };
const strict = { ...rules, strict: true };
const key = keyOf(1);
const free = ip("10.8.1.2");

function claim(address: IpAddress, change: Partial<AddressClaim> = {}): AddressClaim {
  const family = address.includes(":") ? "ipv6" : "ipv4";
  return { publicKey: key, address, family, isOwn: false, canPin: true, holder: null, ...change };
}

const derived = [
  ip(testDerivation.meshIpv4(key, 0)),
  ip(testDerivation.meshIpv4(key, 1)),
  ip(testDerivation.meshIpv6(key)),
];

describe("acceptsAddress", () => {
  test.each(derived)(
    "takes %s, which follows from the key, even in strict mode and from a third party",
    (address) => {
      expect(acceptsAddress(claim(address, { canPin: false }), strict)).toBe(true);
    },
  );

  test("an address inside the network goes to the first key that claims it for itself", () => {
    expect(acceptsAddress(claim(free), rules)).toBe(true);
    expect(acceptsAddress(claim(ip("fd00:1:2:3::99")), rules)).toBe(true);
    expect(acceptsAddress(claim(free, { canPin: false }), rules)).toBe(false);
    expect(acceptsAddress(claim(free, { holder: { publicKey: keyOf(2), live: true } }), rules)).toBe(false);
    expect(acceptsAddress(claim(free, { holder: { publicKey: keyOf(2), live: false } }), rules)).toBe(true);
    expect(acceptsAddress(claim(free), strict)).toBe(false);
  });

  test("a derived address is taken from a key that only pinned it", () => {
    for (const address of derived) {
      expect(acceptsAddress(claim(address, { holder: { publicKey: keyOf(2), live: true } }), rules)).toBe(
        true,
      );
    }
  });

  test("of two keys that derive one address the first keeps it while it lives", () => {
    const clash = { ...testDerivation, meshIpv4: () => free };
    const holder = { publicKey: keyOf(2), live: true };
    expect(acceptsAddress(claim(free, { holder }), { ...rules, addresses: clash })).toBe(false);
    const gone = { ...holder, live: false };
    expect(acceptsAddress(claim(free, { holder: gone }), { ...rules, addresses: clash })).toBe(true);
  });

  test("our own address is nobody else's, derived or not", () => {
    for (const address of [free, ...derived]) {
      expect(acceptsAddress(claim(address, { isOwn: true }), rules)).toBe(false);
    }
  });

  test.each(["10.9.0.1", "10.8.0.0", "10.8.255.255", "fd00:1:2:4::1", "fd00:1:2:3::", "192.0.2.1"])(
    "%s is no host of the mesh",
    (address) => {
      expect(acceptsAddress(claim(ip(address)), rules)).toBe(false);
    },
  );

  test.each(["0.0.0.0", "127.0.0.1", "224.0.0.1", "::", "::1", "ff02::1"])(
    "%s is refused even where a subnet would contain or a key derive it",
    (address) => {
      const wide = { ...testDerivation, meshIpv4: () => address, meshIpv6: () => address };
      expect(acceptsAddress(claim(ip(address)), { ...rules, addresses: wide })).toBe(false);
    },
  );

  test("an address of the other family is refused", () => {
    expect(acceptsAddress(claim(ip("fd00:1:2:3::99"), { family: "ipv4" }), rules)).toBe(false);
    expect(acceptsAddress(claim(free, { family: "ipv6" }), rules)).toBe(false);
  });

  test("with IPv6 off no IPv6 address counts", () => {
    expect(acceptsAddress(claim(ip(testDerivation.meshIpv6(key))), { ...rules, noIpv6: true })).toBe(false);
  });
});
