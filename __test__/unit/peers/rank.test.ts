import { describe, expect, test } from "vitest";
import { endpointRank, isMention } from "../../../src/peers/rank.ts";
import { vectors } from "../support/vectors.ts";

describe("endpointRank", () => {
  test.each(vectors<{ method: string; rank: number }>("endpoint_ranks"))(
    "vector: $method is $rank",
    (vector) => {
      expect(endpointRank(vector.method)).toBe(vector.rank);
    },
  );

  test("an address the operator named lies between a punched path and a plain exchange", () => {
    expect(endpointRank("static")).toBeLessThan(endpointRank("dht-rendezvous"));
    expect(endpointRank("static")).toBeGreaterThan(endpointRank("dht"));
  });

  test("third parties and files only mention", () => {
    const methods = ["lan", "dht-rendezvous", "dht-ipv6-sync", "dht", "static", "gossip"] as const;
    expect(methods.map(isMention)).not.toContain(true);
    expect((["dht-transitive", "gossip-transitive", "cache"] as const).map(isMention)).not.toContain(false);
  });
});
