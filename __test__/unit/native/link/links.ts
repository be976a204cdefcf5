/** Links: shown, made, changed, deleted. */
import assert from "node:assert/strict";
import * as native from "@wgmesh/native";
import type { Cases } from "../../../vm/cases.ts";
import { destinations, ip, ipBatch, ipJson, refuses, withLink } from "./support.ts";

export const links: Cases = {
  "a link is shown as it is": withLink((name) => {
    const link = native.linkGet(name);
    const [seen] = ipJson(`-details link show dev ${name}`);
    assert.deepEqual(link, {
      index: seen.ifindex,
      name,
      kind: "veth",
      mtu: seen.mtu,
      up: true,
      running: true,
      loopback: false,
      multicast: true,
      pointToPoint: false,
    });
    const loopback = native.linkList().find((candidate) => candidate.name === "lo");
    assert.equal(loopback?.loopback, true);
    assert.equal(loopback?.kind, "");
  }),

  "a link that is not there is null; a name that cannot be is an error": () => {
    assert.equal(native.linkGet("nonesuch"), null);
    assert.equal(native.linkGet("eth0.100"), null);
    for (const name of ["", "a/b", "a name", "sixteen-letters-", "lo\0x"]) {
      refuses(() => native.linkGet(name), "EINVAL", /cannot look up link/);
    }
  },

  "links are changed under any name the kernel knows, and made under plain ones": withLink((name) => {
    ip(`link set ${name} down`);
    ip(`link set ${name} name odd.name`);
    try {
      assert.equal(native.linkGet("odd.name")?.kind, "veth");
      native.linkSetUp("odd.name");
      native.addressAdd("odd.name", "10.8.0.1/24");
      native.routeAdd("10.9.0.0/16", "odd.name");
      assert.ok(destinations("odd.name").includes("10.9.0.0/16"));
      native.routeDelete("10.9.0.0/16", "odd.name");
      native.addressDelete("odd.name", "10.8.0.1/24");
      native.linkSetDown("odd.name");
      assert.equal(native.linkGet("odd.name")?.up, false);
      const create = () => native.linkCreate("even.name", "veth", { peer: "even2" });
      refuses(create, "EINVAL", /cannot use interface name "even.name"/);
    } finally {
      ip(`link set odd.name name ${name}`);
    }
  }),

  "links are made, a cable with both its ends": () => {
    native.linkCreate("cable1", "veth", { peer: "cable2", mtu: 1400 });
    native.linkCreate("bridge1", "bridge");
    try {
      for (const name of ["cable1", "cable2"]) {
        const { kind, up, mtu } = native.linkGet(name) ?? {};
        assert.deepEqual([kind, up, mtu], ["veth", false, 1400]);
      }
      assert.equal(native.linkGet("bridge1")?.kind, "bridge");
      refuses(
        () => native.linkCreate("cable3", "veth", { peer: "cable2" }),
        "EEXIST",
        /cannot create cable3 and cable2/,
      );
      assert.equal(native.linkGet("cable3"), null);
    } finally {
      native.linkDelete("bridge1");
      native.linkDelete("cable1");
    }
    assert.equal(native.linkGet("cable2"), null);
    const slips: [name: string, kind: string, options: object | undefined, text: RegExp][] = [
      ["new1", "veth", undefined, /a veth link needs a peer/],
      ["new1", "dummy", { peer: "new2" }, /only a veth link has a peer/],
      ["new1", "vlan", {}, /kind "vlan" is not one of wireguard, veth/],
      ["new1", "bridge", { mtu: 9 }, /9 is not in 576\.\.65535/],
      ["new1", "bridge", { MTU: 1400 }, /there is no option MTU, only mtu, peer/],
      ["new1", "veth", { peer: "a/b" }, /cannot use interface name "a\/b"/],
    ];
    for (const [name, kind, options, text] of slips) {
      refuses(() => native.linkCreate(name, kind as native.LinkKind, options), "EINVAL", text);
      assert.equal(native.linkGet(name), null);
    }
  },

  "300 links take more than one message": () => {
    const names = Array.from({ length: 150 }, (_, number) => `many${number}`);
    ipBatch(names.map((name) => `link add ${name} type veth peer name p${name}`));
    try {
      const listed = new Set(native.linkList().map((link) => link.name));
      for (const name of names) assert.ok(listed.has(name) && listed.has(`p${name}`), name);
    } finally {
      ipBatch(names.map((name) => `link del ${name}`));
    }
  },

  "a link is set up, given an MTU and deleted": () => {
    ip("link add once type veth peer name once2");
    assert.equal(native.linkGet("once")?.up, false);
    native.linkSetUp("once");
    assert.equal(native.linkGet("once")?.up, true);
    native.linkSetMtu("once", 1280);
    assert.equal(ipJson("link show dev once")[0].mtu, 1280);
    for (const mtu of [-1, 2 ** 32 + 1400]) {
      refuses(
        () => native.linkSetMtu("once", mtu),
        "EINVAL",
        /cannot set the MTU of once: mtu -?\d+ is not in/,
      );
    }
    refuses(() => native.linkSetMtu("once", 1400.5), "EINVAL", /1400\.5 is no whole number/);
    for (const mtu of [575, 65536, 0]) {
      refuses(() => native.linkSetMtu("once", mtu), "EINVAL", /cannot set the MTU of once: .*576\.\.65535/);
    }
    native.linkDelete("once");
    assert.equal(native.linkGet("once"), null);
    refuses(() => native.linkDelete("once"), "ENODEV", /cannot delete once/);
    refuses(() => native.linkSetUp("once"), "ENODEV", /cannot set up once/);
  },
};
