import fc from "fast-check";
import {
  type Cidr,
  type Endpoint,
  endpointText,
  type IpAddress,
  type PublicKey,
  parseCidr,
  parseIp,
  parsePublicKey,
} from "../../../src/core/types.ts";
import { transitiveEndpoint } from "../../../src/wire/endpointRules.ts";
import type { Announcement, Mention, NatType } from "../../../src/wire/types.ts";

/** A key made of one repeated byte pair: distinct for each number up to 65535. */
export function keyOf(number: number): PublicKey {
  const bytes = Buffer.alloc(32, number & 255);
  bytes[0] = number >> 8;
  return known(parsePublicKey(bytes.toString("base64")));
}

export function ip(text: string): IpAddress {
  return known(parseIp(text));
}

export function cidr(text: string): Cidr {
  return known(parseCidr(text));
}

function known<T>(value: T | null): T {
  if (value === null) throw new Error("a test's own value does not parse");
  return value;
}

/** What a node says that has nothing to add. */
export const plainAnnouncement: Announcement = {
  publicKey: keyOf(1),
  hostname: "node-a",
  meshIp: ip("10.8.44.88"),
  meshIpv6: null,
  wgEndpoint: "203.0.113.5:51820",
  introducer: false,
  networks: [],
  timestampSeconds: 1_767_225_600,
  knownPeers: [],
  observedEndpoint: "",
  natType: "",
  instance: "",
  relays: false,
  settled: false,
};

export const arbitraryIpv4 = fc.ipV4().map(ip);
export const arbitraryIpv6 = fc.ipV6().map(ip);

const isUsable = (host: IpAddress): boolean => transitiveEndpoint(endpointText({ host, port: 1 })) !== null;

const hostname = fc.string({
  unit: fc.integer({ min: 32, max: 126 }).map((code) => String.fromCharCode(code)),
  maxLength: 40,
});
const port = fc.integer({ min: 1, max: 65535 });
const candidate: fc.Arbitrary<Endpoint> = fc.record({
  host: fc.oneof(arbitraryIpv4, arbitraryIpv6).filter((host) => isUsable(host)),
  port,
});
const advertised = fc.oneof(
  fc.constant(""),
  fc.tuple(arbitraryIpv4, port).map(([host, number]) => `${host}:${number}`),
  fc.tuple(arbitraryIpv6, port).map(([host, number]) => `[${host}]:${number}`),
);
const network = fc.oneof(
  fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })).map(([host, prefix]) => cidr(`${host}/${prefix}`)),
  fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 })).map(([host, prefix]) => cidr(`${host}/${prefix}`)),
);

const knownPeerFields = {
  publicKey: fc.nat(65535).map(keyOf),
  hostname,
  meshIp: arbitraryIpv4,
  meshIpv6: fc.option(arbitraryIpv6),
  wgEndpoint: advertised,
  introducer: fc.boolean(),
  natType: fc.constantFrom<NatType>("cone", "symmetric", "unknown", ""),
};

const arbitraryMention: fc.Arbitrary<Mention> = fc.record(
  { ...knownPeerFields, ageSeconds: fc.integer({ min: 1, max: 86_400 }) },
  { requiredKeys: Object.keys(knownPeerFields) as (keyof typeof knownPeerFields)[] },
);

export const arbitraryAnnouncement: fc.Arbitrary<Announcement> = fc.record({
  ...knownPeerFields,
  networks: fc.array(network, { maxLength: 5 }),
  timestampSeconds: fc.integer({ min: 1_767_225_000, max: 1_767_226_200 }),
  knownPeers: fc.array(arbitraryMention, { maxLength: 12 }),
  observedEndpoint: advertised,
  instance: fc.constantFrom("", "0123456789abcdef"),
  relays: fc.boolean(),
  settled: fc.boolean(),
  exitNode: fc.boolean(),
  wireguardPort: fc.option(port, { nil: undefined }),
  candidates: fc.uniqueArray(candidate, { maxLength: 8, selector: endpointText }),
  token: fc.option(
    fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes)),
    { nil: undefined },
  ),
  have: fc.option(
    fc.record({
      slices: fc.integer({ min: 3, max: 255 }),
      slice: fc.integer({ min: 0, max: 2 }),
      salt: fc.nat(0xffffffff),
      bits: fc.uint8Array({ minLength: 1, maxLength: 192 }).map((bytes) => Buffer.from(bytes)),
    }),
    { nil: undefined },
  ),
});
