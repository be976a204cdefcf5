/** Addresses of links. */
import assert from "node:assert/strict";
import * as native from "@wgmesh/native";
import type { Cases } from "../../../vm/cases.ts";
import { destinations, ip, ipJson, refuses, withLink } from "./support.ts";

export const addresses: Cases = {
  "addresses come with their connected route and are usable at once": withLink((name) => {
    native.addressAdd(name, "10.1.2.3/16");
    native.addressAdd(name, "fd00:5::3/64");
    const shown = native.addressList(name).filter((address) => address.scope === "global");
    const index = native.linkGet(name)?.index;
    const common = { linkIndex: index, linkName: name, scope: "global", tentative: false };
    assert.deepEqual(shown, [
      { ...common, address: "10.1.2.3", prefixLength: 16 },
      { ...common, address: "fd00:5::3", prefixLength: 64 },
    ]);
    assert.ok(destinations(name).includes("10.1.0.0/16"));
    assert.ok(destinations(name).includes("fd00:5::/64"));
  }),

  "adding or deleting an address twice is no error": withLink((name) => {
    for (const cidr of ["10.1.2.3/16", "fd00:5::3/64"]) {
      native.addressAdd(name, cidr);
      native.addressAdd(name, cidr);
      native.addressDelete(name, cidr);
      native.addressDelete(name, cidr);
    }
    assert.equal(native.addressList(name).filter((address) => address.scope === "global").length, 0);
    native.addressDelete("nonesuch", "10.1.2.3/16");
  }),

  "an IPv6 address that is there with another prefix length is an error": withLink((name) => {
    native.addressAdd(name, "fd00:5::3/64");
    refuses(
      () => native.addressAdd(name, "fd00:5::3/48"),
      "EEXIST",
      /cannot add address to test\d+ \(fd00:5::3\/48\)/,
    );
  }),

  "an address that is none is refused": withLink((name) => {
    for (const cidr of ["10.1.2.3", "10.1.2.3/33", "10.1.2/24", "fd00::1%lo/64", "x/8", ""]) {
      refuses(() => native.addressAdd(name, cidr), "EINVAL", /cannot read network/);
    }
    refuses(() => native.addressAdd("nonesuch", "10.0.0.1/8"), "ENODEV", /nonesuch/);
    refuses(() => native.addressList("nonesuch"), "ENODEV", /cannot list the addresses of nonesuch/);
  }),

  "addresses are listed as ip lists them": withLink((name) => {
    ip(`addr add 10.7.0.1 peer 10.7.0.2/32 dev ${name}`);
    ip(`addr add 192.0.2.1/24 dev ${name} scope link`);
    const listed = native.addressList().map((a) => `${a.linkName} ${a.address}/${a.prefixLength} ${a.scope}`);
    const seen = ipJson("addr show").flatMap((link) =>
      link.addr_info.map(
        // biome-ignore lint/suspicious/noExplicitAny: see ipJson.
        (info: any) => `${link.ifname} ${info.local}/${info.prefixlen} ${info.scope}`,
      ),
    );
    assert.deepEqual(listed.sort(), seen.sort());
    assert.ok(listed.includes(`${name} 10.7.0.1/32 global`));
    assert.ok(listed.includes(`${name} 192.0.2.1/24 link`));
  }),
};
