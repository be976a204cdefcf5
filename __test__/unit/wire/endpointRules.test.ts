import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { endpointText, parseEndpoint, parseIp } from "../../../src/core/types.ts";
import { exchangeEndpoint, lanEndpoint, transitiveEndpoint } from "../../../src/wire/endpointRules.ts";
import { vectors } from "../support/vectors.ts";

interface ResolutionVector {
  readonly advertised: string;
  readonly sender: string;
  readonly exchange_rule: string;
  readonly lan_rule: string;
  readonly transitive_rule?: string;
}

/** Where we differ from the Go peer, by the advertised text. */
const OURS: Readonly<Record<string, Partial<ResolutionVector>>> = {
  // DNS names from the network are not resolved; the sender's address stands in where there is one.
  "host.example:51820": { exchange_rule: "198.51.100.7:51820", transitive_rule: "" },
  // Port 0 is no port.
  "203.0.113.5:0": {
    exchange_rule: "198.51.100.7:51820",
    lan_rule: "198.51.100.7:51820",
    transitive_rule: "",
  },
};

const text = (endpoint: ReturnType<typeof lanEndpoint>): string =>
  endpoint === null ? "" : endpointText(endpoint);

describe("vectors: endpoint_resolution (informative)", () => {
  test.each(vectors<ResolutionVector>("endpoint_resolution"))("$advertised from $sender", (vector) => {
    const expected = { ...vector, ...OURS[vector.advertised] };
    const sourceHost = parseEndpoint(vector.sender)?.host ?? "";
    expect(text(exchangeEndpoint(vector.advertised, sourceHost))).toBe(expected.exchange_rule);
    expect(text(lanEndpoint(vector.advertised, sourceHost))).toBe(expected.lan_rule);
    if (expected.transitive_rule === undefined) return;
    expect(text(transitiveEndpoint(vector.advertised))).toBe(expected.transitive_rule);
  });
});

test("on a link WireGuard's own port counts, not that of a NAT", () => {
  expect(lanEndpoint("203.0.113.9:40000", "192.168.1.7", 51_821)).toEqual({
    host: "192.168.1.7",
    port: 51_821,
  });
  expect(lanEndpoint("203.0.113.9:40000", "192.168.1.7")).toEqual({ host: "192.168.1.7", port: 40_000 });
});

describe("unusable addresses", () => {
  const unusable = [
    "127.0.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "169.254.1.1",
    "[::1]",
    "[ff02::1]",
    "[fe80::1]",
  ];

  test.each([...unusable, "[fe80::1%eth0]", "[::ffff:127.0.0.1]"])("%s is not believed", (host) => {
    expect(transitiveEndpoint(`${host}:51820`)).toBeNull();
    expect(exchangeEndpoint(`${host}:51821`, "198.51.100.7")).toEqual({ host: "198.51.100.7", port: 51821 });
  });

  test.each(["127.0.0.1", "::1", "0.0.0.0", "::", "fe80::1%eth0", "fe80::1", "host"])(
    "%s is no source",
    (source) => {
      expect(lanEndpoint("0.0.0.0:51820", source)).toBeNull();
    },
  );

  test("an IPv4 link-local source is on our own link, so it works", () => {
    expect(lanEndpoint("0.0.0.0:51820", "169.254.1.1")).toEqual({ host: "169.254.1.1", port: 51820 });
  });

  test("an IPv4 source seen through an IPv6 socket is IPv4", () => {
    expect(lanEndpoint("", "::ffff:198.51.100.7")).toEqual({ host: "198.51.100.7", port: 51820 });
  });

  test("whatever is advertised, the result is an IP literal with a port", () => {
    const advertised = fc.oneof(
      fc.string(),
      fc
        .tuple(fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()), fc.integer({ min: -1, max: 70_000 }))
        .map(([host, port]) => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`)),
    );
    fc.assert(
      fc.property(advertised, fc.oneof(fc.ipV4(), fc.ipV6()), (given, source) => {
        for (const endpoint of [
          exchangeEndpoint(given, source),
          lanEndpoint(given, source),
          transitiveEndpoint(given),
        ]) {
          if (endpoint === null) continue;
          expect(parseIp(endpoint.host)).toBe(endpoint.host);
          expect(endpoint.port).toBeGreaterThanOrEqual(1);
          expect(endpoint.port).toBeLessThanOrEqual(65535);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
