import fc from "fast-check";
import { DISCOVERY_METHODS, type NatType, type Sighting } from "../../../src/peers/peer.ts";
import { arbitraryIpv4, arbitraryIpv6, cidr, keyOf } from "./announcements.ts";

const endpoint = fc.record({
  host: fc.oneof(arbitraryIpv4, arbitraryIpv6),
  port: fc.integer({ min: 1, max: 65535 }),
});

/** Any sighting of one peer, with any of the optional members. */
export const arbitrarySighting: fc.Arbitrary<Sighting> = fc.record(
  {
    publicKey: fc.constant(keyOf(1)),
    method: fc.constantFrom(...DISCOVERY_METHODS),
    hostname: fc.constantFrom("", "node-a", "node-b"),
    meshIp: arbitraryIpv4,
    meshIpv6: arbitraryIpv6,
    endpoint,
    controlEndpoint: endpoint,
    introducer: fc.boolean(),
    networks: fc.subarray([cidr("192.168.5.0/24"), cidr("fd00:5::/64")]),
    natType: fc.constantFrom<NatType>("cone", "symmetric", "unknown", ""),
    instance: fc.constantFrom("", "0123456789abcdef", "fedcba9876543210"),
    knowsUs: fc.boolean(),
    seenAtMs: fc.integer({ min: 1_767_225_000_000, max: 1_767_226_000_000 }),
  },
  { requiredKeys: ["publicKey", "method"] },
);
