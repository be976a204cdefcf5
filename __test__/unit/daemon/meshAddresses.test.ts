import { describe, expect, test } from "vitest";
import { chooseMeshAddresses, interfaceCidr } from "../../../src/daemon/meshAddresses.ts";
import { keyOf } from "../mesh/peers.ts";
import { testDerivation } from "../support/derivation.ts";

const publicKey = keyOf(1);
const derivedIp = testDerivation.meshIpv4(publicKey, 0);
const derivedIpv6 = testDerivation.meshIpv6(publicKey);

function choose(meshIp: string | null, meshIpv6: string | null, ipv6 = true) {
  return chooseMeshAddresses({ publicKey, pinned: { meshIp, meshIpv6 }, derivation: testDerivation, ipv6 });
}

describe("chooseMeshAddresses", () => {
  test("derives both for a new node", () => {
    expect(choose(null, null)).toEqual({ meshIp: derivedIp, meshIpv6: derivedIpv6, replaced: [] });
  });

  test("keeps pinned ones inside the mesh's networks", () => {
    expect(choose("10.8.3.4", "fd00:1:2:3::7")).toEqual({
      meshIp: "10.8.3.4",
      meshIpv6: "fd00:1:2:3::7",
      replaced: [],
    });
  });

  test("replaces those outside, and says so", () => {
    expect(choose("10.9.3.4", "fd00:9::7")).toEqual({
      meshIp: derivedIp,
      meshIpv6: derivedIpv6,
      replaced: [
        { from: "10.9.3.4", to: derivedIp },
        { from: "fd00:9::7", to: derivedIpv6 },
      ],
    });
  });

  test("what is no address is replaced", () => {
    expect(choose("somewhere", null).meshIp).toBe(derivedIp);
  });

  test("--no-ipv6 has none, and that is no replacement", () => {
    expect(choose(null, "fd00:1:2:3::7", false)).toEqual({ meshIp: derivedIp, meshIpv6: null, replaced: [] });
  });
});

test("the interface gets the network's prefix length", () => {
  const { meshIp } = choose("10.8.3.4", null);
  expect(interfaceCidr(meshIp, testDerivation.meshSubnet)).toBe("10.8.3.4/16");
});
