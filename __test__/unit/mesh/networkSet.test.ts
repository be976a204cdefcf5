import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isInCidr } from "../../../src/core/ipKind.ts";
import { type Cidr, type IpAddress, parseCidr } from "../../../src/core/types.ts";
import { NetworkSet } from "../../../src/mesh/networkSet.ts";

const hostOf = (network: string): IpAddress => network.slice(0, network.indexOf("/")) as IpAddress;
const prefixOf = (network: string): number => Number(network.slice(network.indexOf("/") + 1));

/** The slow way: two networks overlap when the wider holds the other's first address. */
function overlapsSlowly(a: Cidr, b: Cidr): boolean {
  return prefixOf(a) <= prefixOf(b) ? isInCidr(hostOf(b), a) : isInCidr(hostOf(a), b);
}

/** Few bits, so that overlaps are frequent. */
const network = fc
  .tuple(fc.boolean(), fc.integer({ min: 0, max: 15 }), fc.integer({ min: 0, max: 6 }))
  .map(([v6, bits, prefix]) =>
    v6 ? `${(bits << 12).toString(16)}::/${prefix}` : `${bits << 4}.0.0.0/${prefix}`,
  )
  .map((text) => parseCidr(text) as Cidr);

describe("NetworkSet", () => {
  test("answers as a comparison with each member does", () => {
    fc.assert(
      fc.property(fc.array(network, { maxLength: 6 }), network, (members, asked) => {
        const set = new NetworkSet(members);
        expect(set.overlaps(asked)).toBe(members.some((member) => overlapsSlowly(member, asked)));
        const different = [...new Set(members)];
        expect(set.countOverlapping(asked)).toBe(
          different.filter((member) => overlapsSlowly(member, asked)).length,
        );
        expect(set.covers(asked)).toBe(
          members.some((member) => prefixOf(member) <= prefixOf(asked) && overlapsSlowly(member, asked)),
        );
      }),
    );
  });

  test("keeps the families apart, and takes single addresses", () => {
    const set = new NetworkSet(["0.0.0.0/0", "fd00::1/128"]);
    expect(set.covers("10.1.2.3")).toBe(true);
    expect(set.covers("fd00::1")).toBe(true);
    expect(set.covers("fd00::2")).toBe(false);
    expect(set.overlaps("fd00::/8")).toBe(true);
  });
});
