import { describe, expect, test } from "vitest";
import { endpointText, parseEndpoint, parseIp } from "../../../src/core/types.ts";
import { adoptObserved } from "../../../src/wire/observedEndpoint.ts";
import { ip } from "../support/announcements.ts";
import { vectors } from "../support/vectors.ts";

interface ObservedVector {
  readonly observed_endpoint: string;
  readonly own_before: string;
  readonly own_after: string;
  readonly ipv6_disabled: boolean;
}

/** The Go peer adopts these, though nobody could reach it there. */
const REFUSED_BY_US = new Set(["0.0.0.0:1", "100.64.1.1:1"]);

describe("vectors: observed_endpoint (must differ for unusable addresses)", () => {
  test.each(vectors<ObservedVector>("observed_endpoint"))(
    "$observed_endpoint after $own_before (IPv6 off: $ipv6_disabled)",
    (vector) => {
      const before = parseEndpoint(vector.own_before);
      if (before === null) throw new Error("vector without endpoint");
      const current = before.host === "0.0.0.0" ? null : parseIp(before.host);
      const host = adoptObserved(vector.observed_endpoint, current, vector.ipv6_disabled);
      const after = endpointText({ host: host ?? before.host, port: before.port });
      expect(after).toBe(REFUSED_BY_US.has(vector.observed_endpoint) ? vector.own_before : vector.own_after);
    },
  );
});

describe("adoptObserved", () => {
  test.each([
    "224.0.0.1",
    "255.255.255.255",
    "0.1.2.3",
    "[ff02::1]",
    "[fd00::1]",
    "[fe80::1]",
    "[::]",
    "[::1]",
  ])("refuses %s", (host) => {
    expect(adoptObserved(`${host}:40000`, null, false)).toBeNull();
  });

  test("gives up a private IPv6 address for a global IPv4 one", () => {
    expect(adoptObserved("203.0.113.9:1", ip("fd00::1"), false)).toBe("203.0.113.9");
  });
});
