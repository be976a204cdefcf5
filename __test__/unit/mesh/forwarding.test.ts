import { describe, expect, test } from "vitest";
import { silentLog } from "../../../src/core/log.ts";
import type { Cidr } from "../../../src/core/types.ts";
import { Forwarding, linksToward } from "../../../src/mesh/forwarding.ts";
import { FakeRecord, FakeSettings } from "./fakeSettings.ts";

const V4 = ["192.168.1.0/24"] as Cidr[];
const V6 = ["fd12::/48"] as Cidr[];

function setUp(settings = new FakeSettings(), record = new FakeRecord()) {
  const make = (): Forwarding =>
    new Forwarding({ interfaceName: "wg0", settings, record, log: silentLog, linksToward: () => ["eth1"] });
  const before = new Map(settings.values);
  return { settings, record, before, make, forwarding: make() };
}

/** The names of the settings that are not what they were. */
const changed = (settings: FakeSettings, before: ReadonlyMap<string, string>): string[] =>
  [...settings.values].filter(([name, value]) => before.get(name) !== value).map(([name]) => name);

describe("Forwarding", () => {
  test("nothing advertised: nothing changes", async () => {
    const { forwarding, settings, before, record } = setUp();
    await forwarding.ensure([]);
    expect(changed(settings, before)).toEqual([]);
    expect(record.content).toBeNull();
  });

  test("IPv4: our link and the one that leads to the network, and no other", async () => {
    const { forwarding, settings, before } = setUp();
    await forwarding.ensure(V4);
    expect(changed(settings, before)).toEqual(["ipv4/conf/eth1/forwarding", "ipv4/conf/wg0/forwarding"]);
    await forwarding.undo();
    expect(settings.values).toEqual(before);
  });

  test("what was on already stays on", async () => {
    const settings = new FakeSettings();
    settings.write("ipv4/conf/eth1/forwarding", "1");
    settings.write("ipv6/conf/eth0/forwarding", "1");
    const { forwarding, before } = setUp(settings);
    await forwarding.ensure([...V4, ...V6]);
    await forwarding.undo();
    expect(settings.values).toEqual(before);
  });

  test("IPv6: everywhere, as Linux wants it, without losing router advertisements", async () => {
    const settings = new FakeSettings();
    settings.write("ipv6/conf/eth0/accept_ra", "1");
    const { forwarding, before } = setUp(settings);
    await forwarding.ensure(V6);
    expect(settings.read("ipv6/conf/all/forwarding")).toBe("1");
    expect(settings.read("ipv6/conf/eth0/accept_ra")).toBe("2");
    expect(changed(settings, before).some((name) => name.startsWith("ipv4/"))).toBe(false);
    await forwarding.ensure(V6);
    await forwarding.undo();
    expect(settings.values).toEqual(before);
  });

  test("a withdrawn network is undone alone", async () => {
    const { forwarding, settings, before } = setUp();
    await forwarding.ensure([...V4, ...V6]);
    await forwarding.ensure(V4);
    expect(changed(settings, before)).toEqual(["ipv4/conf/eth1/forwarding", "ipv4/conf/wg0/forwarding"]);
  });

  test("somebody else's later change is left alone", async () => {
    const { forwarding, settings } = setUp();
    settings.write("ipv4/conf/wg0/forwarding", "7");
    await forwarding.ensure(V4);
    settings.write("ipv4/conf/wg0/forwarding", "5");
    await forwarding.undo();
    expect(settings.read("ipv4/conf/wg0/forwarding")).toBe("5");
  });

  test("a setting somebody switched off is switched on again", async () => {
    const { forwarding, settings, before } = setUp();
    await forwarding.ensure(V4);
    settings.write("ipv4/conf/eth1/forwarding", "0");
    await forwarding.ensure(V4);
    expect(settings.read("ipv4/conf/eth1/forwarding")).toBe("1");
    await forwarding.undo();
    expect(settings.values).toEqual(before);
  });

  test("what a killed run left is undone by the next", async () => {
    const { forwarding, make, settings, before, record } = setUp();
    await forwarding.ensure([...V4, ...V6]);
    await make().recover();
    expect(settings.values).toEqual(before);
    expect(record.content).toBeNull();
  });

  test("the record is complete before the first write", async () => {
    const { forwarding, settings, record } = setUp();
    const original = settings.write.bind(settings);
    settings.write = (setting, value) => {
      expect(record.content?.[setting]).toEqual({ from: "0", to: "1" });
      original(setting, value);
    };
    await forwarding.ensure(V4);
    expect(settings.read("ipv4/conf/eth1/forwarding")).toBe("1");
  });

  test("a refused setting is named, and the others are made", async () => {
    const { forwarding, settings } = setUp();
    settings.refuse.add("ipv4/conf/wg0/forwarding");
    await expect(forwarding.ensure(V4)).rejects.toThrow("EROFS: ipv4/conf/wg0/forwarding");
    expect(settings.read("ipv4/conf/eth1/forwarding")).toBe("1");
  });
});

test("linksToward: links whose routes overlap, ours and default routes left out", () => {
  const routes = [
    { destination: "0.0.0.0/0", linkName: "eth0" },
    { destination: "192.168.1.0/25", linkName: "eth1" },
    { destination: "192.168.0.0/16", linkName: "eth2" },
    { destination: "192.168.1.0/24", linkName: "wg0" },
    { destination: "10.0.0.0/8", linkName: "eth3" },
    { destination: "192.168.1.7/32", linkName: null },
  ];
  expect(linksToward(V4, routes, "wg0")).toEqual(["eth1", "eth2"]);
  expect(linksToward(["0.0.0.0/0" as Cidr], routes, "wg0")).toEqual(["eth0"]);
  expect(linksToward(["::/0" as Cidr], routes, "wg0")).toEqual([]);
});
