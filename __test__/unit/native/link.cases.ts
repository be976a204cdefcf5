/**
 * The addon's netlink functions, judged by `ip`. Runs in a network namespace of its own (see inNamespace.ts).
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import * as native from "@wgmesh/native";
import type { Cases } from "../../vm/cases.ts";

const require = createRequire(import.meta.url);
const addon = require.resolve("@wgmesh/native");

function ip(line: string): string {
  return execFileSync("ip", line.split(" "), { encoding: "utf8" });
}

/** Lines of `ip -batch`, which makes thousands of objects in one process. */
function ipBatch(lines: readonly string[]): void {
  execFileSync("ip", ["-batch", "-"], { input: lines.join("\n") });
}

// biome-ignore lint/suspicious/noExplicitAny: what `ip -json` prints has no types.
function ipJson(line: string): any[] {
  return JSON.parse(ip(`-json ${line}`) || "[]");
}

let pairs = 0;

/** A veth pair of its own for each case, both ends up; the name of the end that is tested. */
function withLink(body: (name: string) => void | Promise<void>): () => Promise<void> {
  return async () => {
    pairs += 1;
    const name = `test${pairs}`;
    ip(`link add ${name} type veth peer name far${pairs}`);
    ip(`link set far${pairs} up`);
    try {
      native.linkSetUp(name);
      await body(name);
    } finally {
      ip(`link del ${name}`);
    }
  };
}

function refuses(call: () => unknown, code: string, text: RegExp): void {
  assert.throws(call, (error: Error & { code?: string }) => {
    assert.match(error.message, text);
    assert.equal(error.code, code);
    assert.ok(error.message.startsWith(`${code}: cannot `), error.message);
    return true;
  });
}

/** Waits until `done`; a case that waits in vain fails. */
async function until(done: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!done()) {
    assert.ok(performance.now() < deadline, `in vain: ${what}`);
    await pause(5);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function destinations(linkName: string): string[] {
  return native.routeList(linkName).map((route) => route.destination);
}

/** Runs code with the addon as `native` in a process without capabilities; what it prints. */
function withoutRights(code: string): string {
  const program = `const native = require(${JSON.stringify(addon)});\n${code}`;
  const args = ["--bounding-set=-all", process.execPath, "-e", program];
  return execFileSync("setpriv", args, { encoding: "utf8" });
}

export const cases: Cases = {
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
      [{ protocol: 0 }, /protocol 0 is not in 1\.\.255/],
      [{ metric: -1 }, /metric -1 is not in 0\.\.4294967295/],
      [{ metric: 2 ** 32 + 1 }, /metric 4294967297 is not in 0\.\.4294967295/],
      [{ protocol: 256 }, /protocol 256 is not in 1\.\.255/],
      [{ metrik: 1 }, /there is no option metrik, only metric, gateway, protocol/],
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
        type: "unicast",
      });
      native.routeDelete(destination, name, 50);
      native.routeDelete(destination, name, 50);
      assert.ok(!destinations(name).includes(destination));
    }
    native.routeDelete("192.168.7.0/24", "nonesuch", 0);
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

  "a monitor tells what changed, a burst in one call": withLink(async (name) => {
    // What the new link itself causes (its link-local addresses become usable) is not part of this.
    await until(() => native.addressList().every((address) => !address.tentative), "usable addresses");
    const calls: string[][] = [];
    const monitor = new native.NetworkMonitor((kinds) => calls.push(kinds));
    try {
      await pause(50);
      calls.length = 0;
      ip(`link set ${name} mtu 1400`);
      await until(() => calls.length > 0, "a change of a link");
      assert.ok(calls.flat().includes("link"));
      await pause(50);
      calls.length = 0;
      native.routeAdd("192.168.50.0/24", name, 0);
      await until(() => calls.length > 0, "a change of a route");
      assert.deepEqual(calls, [["route"]]);
      calls.length = 0;
      native.addressAdd(name, "10.50.0.1/24");
      await until(() => calls.length > 0, "a change of an address");
      assert.deepEqual(calls, [["address", "route"]]);
      await pause(50);
      calls.length = 0;
      const began = performance.now();
      ipBatch(Array.from({ length: 200 }, (_, host) => `addr add 10.51.0.${host}/32 dev ${name}`));
      await until(() => calls.length > 0, "changes of addresses");
      await pause(50);
      const most = (performance.now() - began) / 20 + 1;
      assert.ok(calls.length <= most, `${calls.length} calls, at most ${most} can be 20 ms apart`);
    } finally {
      monitor.close();
      monitor.close();
    }
    calls.length = 0;
    native.addressDelete(name, "10.50.0.1/24");
    await pause(60);
    assert.deepEqual(calls, [], "a closed monitor is silent");
  }),

  "a monitor does not keep the process alive": () => {
    const program = `const { NetworkMonitor } = require(${JSON.stringify(addon)}); new NetworkMonitor(() => {});`;
    execFileSync(process.execPath, ["-e", program], { timeout: 20_000 });
  },

  "without CAP_NET_ADMIN looking is allowed, changing is EPERM with its reason": withLink((name) => {
    const said = withoutRights(`
      if (native.linkGet(${JSON.stringify(name)}) === null) throw new Error("not found");
      native.addressList(); native.routeList();
      const attempts = [
        () => native.linkSetUp("lo"), () => native.linkSetMtu("lo", 1400), () => native.linkDelete(${JSON.stringify(name)}),
        () => native.addressAdd("lo", "10.0.0.1/32"), () => native.addressDelete("lo", "127.0.0.1/8"),
        () => native.routeAdd("10.0.0.0/8", "lo", 0), () => native.routeDelete("10.0.0.0/8", "lo", 0),
      ];
      for (const attempt of attempts) {
        try { attempt(); console.log("was allowed:", attempt); } catch (error) { console.log(error.code, error.message); }
      }`);
    const lines = said.trimEnd().split("\n");
    assert.equal(lines.length, 7);
    for (const line of lines) assert.match(line, /^EPERM EPERM: cannot .*: needs CAP_NET_ADMIN/);
    assert.ok(native.linkGet(name));
  }),
};
