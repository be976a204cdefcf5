/** Routes: ours, those of others, and which one decides. */
import assert from "node:assert/strict";
import * as native from "@wgmesh/native";
import type { Cases } from "../../../vm/cases.ts";
import { destinations, ip, ipBatch, ipJson, refuses, withLink } from "./support.ts";

export const routes: Cases = {
  "routes go through a gateway, by the protocol of their maker": withLink((name) => {
    native.addressAdd(name, "10.1.0.1/16");
    native.addressAdd(name, "fd01::1/64");
    const routes: [destination: string, gateway: string][] = [
      ["172.20.0.0/16", "10.1.0.9"],
      ["fd20::/64", "fd01::9"],
    ];
    for (const [destination, gateway] of routes) {
      const options = { gateway, metric: 7, protocol: 200 };
      native.routeAdd(destination, name, options);
      native.routeAdd(destination, name, options);
      const family = destination.includes(":") ? "-6" : "-4";
      const [seen] = ipJson(`${family} route show ${destination}`);
      assert.deepEqual([seen.gateway, seen.dev, seen.protocol, seen.metric], [gateway, name, "200", 7]);
      const found = native.routeList(name).find((route) => route.destination === destination);
      assert.deepEqual([found?.gateway, found?.protocol], [gateway, 200]);
      refuses(() => native.routeAdd(destination, name, 7), "EEXIST", /a route of protocol 200 stands there/);
      native.routeDelete(destination, name, 7);
      native.routeDelete(destination, name, { ...options, gateway: gateway.replace("9", "8") });
      assert.equal(ipJson(`${family} route show ${destination}`).length, 1, "another's stays");
      native.routeDelete(destination, name, options);
      assert.equal(ipJson(`${family} route show ${destination}`).length, 0);
    }
    const slips: [object, RegExp][] = [
      [{ gateway: "fd01::9" }, /gateway "fd01::9" is no address of its family/],
      [{ gateway: "ten" }, /gateway "ten" is no address of its family/],
      [{ source: "fd01::1" }, /source "fd01::1" is no address of its family/],
      [{ protocol: 0 }, /protocol 0 is not in 1\.\.255/],
      [{ metric: -1 }, /metric -1 is not in 0\.\.4294967295/],
      [{ metric: 2 ** 32 + 1 }, /metric 4294967297 is not in 0\.\.4294967295/],
      [{ protocol: 256 }, /protocol 256 is not in 1\.\.255/],
      [{ metrik: 1 }, /there is no option metrik, only metric, gateway, protocol, source/],
    ];
    for (const [options, text] of slips) {
      refuses(() => native.routeAdd("172.20.0.0/16", name, options), "EINVAL", text);
    }
    refuses(
      () => native.routeAdd("172.20.0.0/16", name, { gateway: "198.51.100.1" }),
      "ENETUNREACH",
      /172\.20/,
    );
  }),

  "a route of ours is added, shown and deleted, twice without error": withLink((name) => {
    for (const destination of ["192.168.7.0/24", "fd07::/48"]) {
      native.routeAdd(destination, name, 50);
      native.routeAdd(destination, name, 50);
      const [route] = native.routeList(name).filter((candidate) => candidate.destination === destination);
      assert.deepEqual(route, {
        destination,
        gateway: null,
        linkName: name,
        table: 254,
        protocol: native.ROUTE_PROTOCOL,
        metric: 50,
        source: null,
        type: "unicast",
      });
      native.routeDelete(destination, name, 50);
      native.routeDelete(destination, name, 50);
      assert.ok(!destinations(name).includes(destination));
    }
    native.routeDelete("192.168.7.0/24", "nonesuch", 0);
  }),

  "a route has the source it is given, another one later without being taken away, and goes whatever it is":
    withLink((name) => {
      const hosts = ["10.1.0.1/16", "10.2.0.1/16", "fd01::1/64", "fd02::1/64"];
      for (const host of hosts) native.addressAdd(name, host);
      const cases: [destination: string, inside: string, sources: string[]][] = [
        ["172.20.0.0/16", "172.20.0.9", ["10.2.0.1", "10.1.0.1"]],
        ["fd20::/64", "fd20::9", ["fd02::1", "fd01::1"]],
      ];
      for (const [destination, inside, sources] of cases) {
        const family = destination.includes(":") ? "-6" : "-4";
        native.routeAdd(destination, name, 7);
        for (const source of [...sources, ...sources.slice(-1)]) {
          native.routeAdd(destination, name, { metric: 7, source });
          const shown = ipJson(`${family} route show ${destination}`);
          assert.deepEqual([shown.length, shown[0].prefsrc, shown[0].metric], [1, source, 7]);
          const found = native.routeList(name).filter((route) => route.destination === destination);
          assert.deepEqual([found.length, found[0]?.source], [1, source]);
          assert.equal(native.routeGet(inside)?.source, source);
        }
        native.routeDelete(destination, name, 7);
        assert.equal(ipJson(`${family} route show ${destination}`).length, 0);
      }
      ip(`route add 172.21.0.0/16 dev ${name} proto static metric 7`);
      const other = { metric: 7, source: "10.1.0.1" };
      refuses(() => native.routeAdd("172.21.0.0/16", name, other), "EEXIST", /protocol 4 stands there/);
      refuses(() => native.routeAdd("172.22.0.0/16", name, { source: "10.3.0.1" }), "EINVAL", /172\.22/);
      // The kernel takes a route of IPv4 with its source, one of IPv6 loses it.
      for (const [destination, , sources] of cases) {
        native.routeAdd(destination, name, { metric: 7, source: sources[0] as string });
      }
      native.addressDelete(name, "10.2.0.1/16");
      native.addressDelete(name, "fd02::1/64");
      const left = native.routeList(name).filter((route) => route.metric === 7 && route.protocol === 111);
      assert.deepEqual(
        left.map(({ destination, source }) => [destination, source]),
        [["fd20::/64", null]],
      );
    }),

  "host bits are cleared and the default route has a name": withLink((name) => {
    native.routeAdd("192.168.7.9/24", name, 0);
    native.routeAdd("0.0.0.0/0", name, 7);
    native.routeAdd("::/0", name, 7);
    for (const destination of ["192.168.7.0/24", "0.0.0.0/0", "::/0"]) {
      assert.ok(destinations(name).includes(destination), destination);
      native.routeDelete(destination, name, 0);
      assert.ok(!destinations(name).includes(destination), destination);
    }
  }),

  "a route of another stays: it is neither replaced nor deleted": withLink((name) => {
    for (const [family, destination] of [
      ["-4", "192.168.8.0/24"],
      ["-6", "fd08::/64"],
    ] as const) {
      ip(`${family} route add ${destination} dev ${name} proto static metric 1024`);
      const owner = /cannot add route .* a route of protocol 4 stands there/;
      refuses(() => native.routeAdd(destination, name, 1024), "EEXIST", owner);
      native.routeDelete(destination, name, 1024);
      assert.equal(ipJson(`${family} route show ${destination} proto static`).length, 1);
    }
  }),

  "a route of ours on another link is not taken over": withLink((name) => {
    const far = name.replace("test", "far");
    native.routeAdd("192.168.9.0/24", far, 5);
    refuses(() => native.routeAdd("192.168.9.0/24", name, 5), "EEXIST", /192\.168\.9\.0\/24/);
    native.routeDelete("192.168.9.0/24", name, 5);
    assert.ok(destinations(far).includes("192.168.9.0/24"));
  }),

  "gateways, several next hops, blackholes and other tables": withLink((name) => {
    native.addressAdd(name, "10.1.0.1/16");
    ip("route add 172.16.0.0/16 via 10.1.0.9 metric 3");
    ip(`route add 172.17.0.0/16 nexthop via 10.1.0.8 dev ${name} nexthop via 10.1.0.9 dev ${name}`);
    ip("route add blackhole 172.18.0.0/16");
    ip(`route add 172.19.0.0/16 dev ${name} table 500`);
    const of = (destination: string) =>
      native
        .routeList()
        .filter((route) => route.destination === destination)
        .map((route) => [route.gateway, route.linkName, route.metric, route.type]);
    assert.deepEqual(of("172.16.0.0/16"), [["10.1.0.9", name, 3, "unicast"]]);
    assert.deepEqual(of("172.17.0.0/16"), [
      ["10.1.0.8", name, 0, "unicast"],
      ["10.1.0.9", name, 0, "unicast"],
    ]);
    assert.deepEqual(of("172.18.0.0/16"), [[null, null, 0, "blackhole"]]);
    assert.deepEqual(of("172.19.0.0/16"), []);
    ip("route del blackhole 172.18.0.0/16");
  }),

  "a route is looked up as ip looks it up: next hop, source, MTU and the entry that decides": withLink(
    (name) => {
      native.addressAdd(name, "10.1.0.1/16");
      native.addressAdd(name, "fd00:5::3/64");
      ip("route add 172.20.0.0/16 via 10.1.0.9");
      ip("route add 172.20.7.0/24 via 10.1.0.9 mtu 1400");
      ip(`route add 172.21.0.0/16 dev ${name} mtu 9000`);
      ip("route add blackhole 172.22.0.0/16");
      const { index: linkIndex, mtu } = native.linkGet(name) ?? {};
      const common = { linkIndex, linkName: name, source: "10.1.0.1", table: 254, type: "unicast" };
      const expected = {
        "10.1.5.5": { ...common, destination: "10.1.0.0/16", gateway: null, mtu },
        "172.20.1.1": { ...common, destination: "172.20.0.0/16", gateway: "10.1.0.9", mtu },
        "172.20.7.1": { ...common, destination: "172.20.7.0/24", gateway: "10.1.0.9", mtu: 1400 },
        "172.21.1.1": { ...common, destination: "172.21.0.0/16", gateway: null, mtu },
        "fd00:5::9": { ...common, destination: "fd00:5::/64", gateway: null, source: "fd00:5::3", mtu },
      };
      for (const [address, route] of Object.entries(expected)) {
        assert.deepEqual(native.routeGet(address), route, address);
        const [seen] = ipJson(`route get ${address}`);
        assert.deepEqual([seen.dev, seen.gateway ?? null, seen.prefsrc], [name, route.gateway, route.source]);
      }
      for (const address of ["172.22.1.1", "198.51.100.1", "2001:db8::1"]) {
        assert.equal(native.routeGet(address), null, address);
      }
      ip("route add default via 10.1.0.9");
      assert.equal(native.routeGet("198.51.100.1")?.destination, "0.0.0.0/0");
      assert.equal(native.routeGet("10.1.0.1")?.type, "local");
      ip(`link set ${name} mtu 1300`);
      assert.equal(native.routeGet("172.20.7.1")?.mtu, 1300, "a route's MTU never exceeds the link's");
      for (const address of ["", "10.1.0.0/16", "example.org", "fe80::1%lo"]) {
        refuses(() => native.routeGet(address), "EINVAL", /cannot look up the route to/);
      }
      ip("route del blackhole 172.22.0.0/16");
    },
  ),

  "2,000 routes take more than one message": withLink((name) => {
    const networks = Array.from(
      { length: 2000 },
      (_, number) => `10.${100 + (number >> 8)}.${number & 255}.0/24`,
    );
    ipBatch(networks.map((network) => `route add ${network} dev ${name}`));
    const listed = new Set(destinations(name));
    for (const network of networks) assert.ok(listed.has(network), network);
  }),
};
